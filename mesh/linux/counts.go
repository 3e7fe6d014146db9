package linux

import (
	"maps"
	"sync"
)

// counts counts writes by kind. The zero value is ready; it may be used concurrently.
type counts struct {
	mu sync.Mutex
	n  map[string]uint64
}

// The kinds of write of the parts in this package; the other parts name theirs.
const (
	opLinkAdd    = "link-add"
	opLinkDel    = "link-del"
	opLinkSet    = "link-set"
	opAddressAdd = "address-add"
	opAddressDel = "address-del"
)

func (c *counts) add(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]uint64{}
	}
	c.n[kind]++
}

// Count counts a write of a part of the host that is no part of Host; Operations returns it too.
func (h *Host) Count(kind string) { h.counts.add(kind) }

func (c *counts) all() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}

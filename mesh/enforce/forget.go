package enforce

import (
	"fmt"
	"net/netip"
	"sync"
)

// forgetting deletes connections for all who ask at the same time: a reading of conntrack's table takes up to seconds,
// and as long for one address as for many. One reading runs at a time. A caller that comes meanwhile waits for the next
// one, because the one that runs may be past its connections, so no caller waits for more than two. (A mutex alone
// would have the last of thirty wait for thirty, longer than a DEL may take.)
type forgetting struct {
	read func(addrs []netip.Addr)
	// turn is full while a reading runs.
	turn chan struct{}

	mu sync.Mutex
	// next is the reading that has not begun; nil if nobody waits for it.
	next *reading
}

// reading is one of conntrack's table. mu guards addrs until it begins, turn guards ended.
type reading struct {
	addrs []netip.Addr
	ended bool
}

func newForgetting(read func(addrs []netip.Addr)) *forgetting {
	return &forgetting{read: read, turn: make(chan struct{}, 1)}
}

// of returns when a reading that began after the call has ended.
func (f *forgetting) of(addrs []netip.Addr) {
	f.mu.Lock()
	if f.next == nil {
		f.next = &reading{}
	}
	r := f.next
	r.addrs = append(r.addrs, addrs...)
	f.mu.Unlock()

	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	if r.ended {
		return
	}
	f.mu.Lock()
	f.next = nil // It was r: each reading that begins ends in the same turn.
	f.mu.Unlock()
	f.read(r.addrs)
	r.ended = true
}

// forget deletes the connections of addresses that are free: the next pod of them gets no packet of the last one's. A
// failure does not keep an address from being given away: its connections end by themselves.
func (e *Enforcer) forget(free []netip.Addr) {
	if err := e.cfg.Host.Forget(free); err != nil {
		e.log.Warn("connections of pods that are gone stay until they time out", "addresses", fmt.Sprint(free),
			"err", err)
	}
}

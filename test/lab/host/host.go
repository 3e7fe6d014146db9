// Package host is one host of a lab, whatever it is: its network namespace and addresses, commands and long-running
// programs on it, connections from and to it. It does not make machines or networks.
package host

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"warren.mesh/test/lab/namespace"
	"warren.mesh/test/lab/traffic"
)

// Host is anything with a network namespace of its own: a node, a pod, the outside, the control machine.
type Host struct {
	// Name is unique in the lab: node1, node1/a, outside, control.
	Name string

	mu    sync.Mutex
	addrs []netip.Addr
	// set is nil while the host is off.
	set *namespace.Set
	// ownNet says that the network namespace alone is this host's: a pod's.
	ownNet  bool
	servers *traffic.Servers
	inbox   *traffic.Inbox
}

var _ traffic.End = (*Host)(nil)

// New is a host that is off.
func New(name string, addrs []netip.Addr) *Host {
	return &Host{Name: name, addrs: addrs, inbox: traffic.NewInbox()}
}

// String is the host's name.
func (h *Host) String() string { return h.Name }

// Move puts the host into the namespaces of its machine and starts its servers there.
func (h *Host) Move(set *namespace.Set) error { return h.move(set, false) }

// MovePod is Move for a host whose network namespace alone is its own, and is closed when it leaves.
func (h *Host) MovePod(set *namespace.Set) error { return h.move(set, true) }

func (h *Host) move(set *namespace.Set, ownNet bool) (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.set, h.ownNet = set, ownNet
	if h.servers, err = traffic.Serve(set, h.inbox); err != nil {
		return fmt.Errorf("move %s: %w", h.Name, err)
	}
	return nil
}

// Leave ends what this process does in the host's network: the host is off. It may be called twice.
func (h *Host) Leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.servers.Close()
	if h.ownNet && h.set != nil {
		_ = h.set.CloseNet()
	}
	h.servers, h.set = nil, nil
}

func (h *Host) namespaces() (*namespace.Set, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.set == nil {
		return nil, fmt.Errorf("%s is off", h.Name)
	}
	return h.set, nil
}

// Inbox has the flows to the host, also while it is off.
func (h *Host) Inbox() *traffic.Inbox { return h.inbox }

// Addrs are its own addresses, IPv4 first: InternalIPs of a node, pod IPs of a pod.
func (h *Host) Addrs() []netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.addrs)
}

// SetAddrs records other addresses; it changes none.
func (h *Host) SetAddrs(addrs []netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addrs = addrs
}

// Addr is its address of the family of like, or the zero value: b.Addr(a) is how a reaches b.
func (h *Host) Addr(like netip.Addr) netip.Addr {
	for _, addr := range h.Addrs() {
		if addr.Is4() == like.Is4() {
			return addr
		}
	}
	return netip.Addr{}
}

// Echo is the address of the host's echo server of the family of like.
func (h *Host) Echo(like netip.Addr) netip.AddrPort {
	return netip.AddrPortFrom(h.Addr(like), traffic.EchoPort)
}

// Do runs f in the host's network namespace on an operating-system thread of its own, which ends with it. What f does
// in other goroutines happens elsewhere. Sockets opened by f can be used anywhere.
func (h *Host) Do(f func() error) error {
	set, err := h.namespaces()
	if err != nil {
		return err
	}
	return set.Do(f)
}

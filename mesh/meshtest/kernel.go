package meshtest

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// Kernel is a model of a Linux host's network, and the Host on it: what agent consumes of mesh/linux, without root. It
// is a small model and not a recorder: an allowed IP that is given to one peer is taken from another, an interface that
// is deleted loses its addresses, routes and peers, and one that goes down loses its routes and IPv6 addresses.
// RunHostContract keeps it like Linux.
//
// Make one with NewKernel. It must not be copied.
type Kernel struct {
	mu   sync.Mutex
	link *link
	// bridge is nil until somebody adds it.
	bridge *link
	// device is nil if none answers.
	device   *device
	routes   map[mesh.RouteKey]mesh.Route
	rules    []rule
	firewall mesh.Firewall
	sysctls  map[string]string
	foreign  []string
	// doubts is what PassFirewalls says of other firewalls, and closed the rules that it has to add.
	doubts, closed []string
	// unforwarded are the containers whose host ports have no rules.
	unforwarded []string

	cfg       mesh.Config
	userspace bool
	underlay  map[netip.Addr]int
	leaks     map[string]uint64
	faults    map[string]error
	counts    map[string]uint64
	initiated []mesh.Peer
	watchers  map[*func()]bool
	// meddled says that others have changed something since the last observation.
	meddled bool
}

// link is an interface.
type link struct {
	mtu int
	up  bool
	// floats is a bridge's, as mesh.Bridge has it.
	floats    bool
	addresses map[netip.Prefix]bool
}

// device is a WireGuard device.
type device struct {
	mesh.Device
	peers map[keys.Public]mesh.Peer
	// seen has the last handshake and the counters of the peers that had traffic.
	seen map[keys.Public]mesh.PeerStatus
}

// rule is a rule of warren's or, if foreign, somebody else's. The kernel asks the rules of a family in the order of at.
type rule struct {
	mesh.Rule
	at      int
	foreign bool
}

// NewKernel returns a fresh host whose interfaces will have the configuration's names. With userspace, the Host does
// not create the device: StartDevice does.
func NewKernel(cfg mesh.Config, userspace bool) *Kernel {
	return &Kernel{
		cfg:       cfg,
		userspace: userspace,
		routes:    map[mesh.RouteKey]mesh.Route{},
		sysctls:   map[string]string{},
		underlay:  map[netip.Addr]int{},
		leaks:     map[string]uint64{},
		faults:    map[string]error{},
		counts:    map[string]uint64{},
		watchers:  map[*func()]bool{},
	}
}

// Observe returns the state of everything that is warren's. Fail can make the operation "observe" fail.
func (k *Kernel) Observe(context.Context) (mesh.Observation, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.faults["observe"]; err != nil {
		return mesh.Observation{}, fmt.Errorf("observe the host: %w", err)
	}
	k.meddled = false
	var s mesh.Observation
	s.State = mesh.State{Rules: k.listRules(), Firewall: cloneFirewall(k.firewall)}
	s.Guarded = k.firewall.Link != ""
	if k.link != nil {
		s.Link = mesh.Link{Name: k.cfg.Link, MTU: k.link.mtu, Up: k.link.up, Addresses: k.link.list()}
	}
	if k.bridge != nil {
		s.Bridge = mesh.Bridge{
			Name: k.cfg.Bridge, MTU: k.bridge.mtu, Addresses: k.bridge.list(), Floats: k.bridge.floats,
		}
	}
	if k.device != nil {
		s.Device, s.Peers, s.Statuses = k.device.Device, k.device.list(), k.device.statuses()
	}
	for _, r := range k.routes {
		if r.Foreign == 0 || mesh.OwnTable(r.Table) {
			s.Routes = append(s.Routes, r)
		}
	}
	for name, value := range k.sysctls {
		s.Sysctls = append(s.Sysctls, mesh.Sysctl{Name: name, Value: value})
	}
	s.Sort()
	return s, nil
}

func (l *link) list() []netip.Prefix { return slices.Collect(maps.Keys(l.addresses)) }

// list returns copies: an observation does not change afterwards.
func (d *device) list() []mesh.Peer {
	peers := slices.Collect(maps.Values(d.peers))
	for i := range peers {
		peers[i].AllowedIPs = slices.Clone(peers[i].AllowedIPs)
	}
	return peers
}

func (d *device) statuses() []mesh.PeerStatus {
	var all []mesh.PeerStatus
	for key, p := range d.peers {
		s := d.seen[key]
		s.PublicKey, s.Endpoint = key, p.Endpoint
		all = append(all, s)
	}
	return all
}

func cloneFirewall(f mesh.Firewall) mesh.Firewall {
	f.ClusterCIDRs, f.NodeCIDRs = slices.Clone(f.ClusterCIDRs), slices.Clone(f.NodeCIDRs)
	f.PlainFrom, f.OwnCIDRs = slices.Clone(f.PlainFrom), slices.Clone(f.OwnCIDRs)
	f.OwnIPs, f.NodeIPs = slices.Clone(f.OwnIPs), slices.Clone(f.NodeIPs)
	return f
}

// UnderlayMTU returns what SetUnderlay set for the first address that it knows, of the peers' first.
func (k *Kernel) UnderlayMTU(own, peers []netip.Addr) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, a := range slices.Concat(peers, own) {
		if mtu, ok := k.underlay[a]; ok {
			return mtu, nil
		}
	}
	return 0, fmt.Errorf("find the underlay's MTU: no interface has any of the addresses %s", own)
}

// InitiateHandshakes notes the peers for Initiated.
func (k *Kernel) InitiateHandshakes(_ context.Context, peers []mesh.Peer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.initiated = append(k.initiated, peers...)
}

// Initiated returns the peers that InitiateHandshakes was called with since Initiated was last called.
func (k *Kernel) Initiated() []mesh.Peer {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer func() { k.initiated = nil }()
	return k.initiated
}

// readEvery is how often Watch reads the device.
const readEvery = 500 * time.Millisecond

// Watch calls poke for every change that others have made since the last observation. As on Linux, it calls poke once
// for several changes, and seen with the statuses of the device's peers each time that it has read them.
func (k *Kernel) Watch(ctx context.Context, poke func(), seen func([]mesh.PeerStatus)) error {
	pokes := make(chan struct{}, 1)
	notify := func() {
		select {
		case pokes <- struct{}{}:
		default:
		}
	}
	k.mu.Lock()
	k.watchers[&notify] = true
	if k.meddled {
		notify()
	}
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.watchers, &notify)
	}()
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pokes:
			poke()
		case <-tick.C:
			if statuses, answers := k.read(); answers {
				seen(statuses)
			}
		}
	}
}

// read returns the statuses of the device's peers, sorted by key; answers is false where there is no device.
func (k *Kernel) read() (statuses []mesh.PeerStatus, answers bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.device == nil {
		return nil, false
	}
	statuses = k.device.statuses()
	mesh.SortStatuses(statuses)
	return statuses, true
}

// SetFirewalls has others' firewalls lack these rules, which PassFirewalls may add, and drop what doubts says.
func (k *Kernel) SetFirewalls(closed, doubts []string) {
	k.meddle(func() { k.closed, k.doubts = closed, doubts })
}

// SetUnforwarded has others delete the rules that forward host ports to these containers, and restore all others.
func (k *Kernel) SetUnforwarded(containers ...string) {
	k.meddle(func() { k.unforwarded = containers })
}

// Unforwarded returns those of the containers that SetUnforwarded has named.
func (k *Kernel) Unforwarded(_ context.Context, containers []string, _ bool) (lost []string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range containers {
		if slices.Contains(k.unforwarded, id) {
			lost = append(lost, id)
		}
	}
	return lost, nil
}

// PassFirewalls adds the rules that SetFirewalls says are lacking.
func (k *Kernel) PassFirewalls(context.Context) (opened, doubts []string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	opened, k.closed = k.closed, nil
	return opened, slices.Clone(k.doubts), nil
}

// Leaks returns the counters that SetLeaks set; nil where there is no table.
func (k *Kernel) Leaks(context.Context) (map[string]uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.firewall.Link == "" {
		return nil, k.faults["leaks"]
	}
	return maps.Clone(k.leaks), k.faults["leaks"]
}

// Operations returns how often Apply has written, by the kinds of mesh/linux.
func (k *Kernel) Operations() map[string]uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.counts)
}

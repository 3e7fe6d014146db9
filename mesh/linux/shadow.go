package linux

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// shadow is what the host looked like when it was last observed, with what Apply has changed since. Watch compares the
// kernel's notifications with it: what agrees is Apply's own doing, or nobody's business.
type shadow struct {
	mu sync.Mutex
	// known is whether the host has been observed, and all that was applied since went well. Else the agent is about to
	// observe anyway, and only an interface or a device that comes or goes is news.
	known bool
	// unsure is set while Observe reads: what is notified meanwhile may have come before or after its reading.
	unsure   bool
	link     iface
	bridge   iface
	underlay underlay
	routes   map[mesh.RouteKey]mesh.Route
	rules    map[mesh.Rule]struct{}
	answers  bool
	device   mesh.Device
	peers    map[keys.Public]peerShape
}

// iface is an interface; its name is empty where it is absent.
type iface struct {
	name      string
	index     int
	mtu       int
	up        bool
	addresses map[netip.Prefix]struct{}
}

// underlay is the interface whose MTU was asked for; its index is zero before.
type underlay struct{ index, mtu int }

// peerShape is what of a peer only the configuration changes: not its endpoint, which roams.
type peerShape struct {
	allowedIPs []netip.Prefix
	keepalive  time.Duration
}

// distrust makes every notification count until reset or doubt.
func (s *shadow) distrust() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsure = true
}

// settle is for a change that went well: a device that was set up answers.
func (s *shadow) settle(c mesh.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = s.answers || c.Device != nil
}

// doubt is for an observation or a change that failed: what is there is not known until the next observation.
func (s *shadow) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsure, s.known = false, false
}

// reset takes over what was observed.
func (s *shadow) reset(seen observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsure, s.known = false, true
	s.link, s.bridge = linkIface(seen), bridgeIface(seen)
	s.routes, s.rules = byKey(seen.Routes), setOf(seen.Rules)
	s.answers, s.device = seen.answers, seen.Device
	s.peers = shapes(seen.Peers)
}

// advance takes over a change before it is made, since the kernel's notifications may be faster than its answers.
func (s *shadow) advance(c mesh.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known {
		return
	}
	if c.Link != nil {
		s.link.name, s.link.mtu, s.link.up = c.Link.Name, c.Link.MTU, c.Link.Up
	}
	if s.bridge.name != "" {
		s.bridge.mtu = cmp.Or(c.BridgeMTU, s.bridge.mtu)
		edit(s.bridge.addresses, c.BridgeAddresses)
	}
	if c.Device != nil {
		s.device = *c.Device
	}
	edit(s.link.addresses, c.Addresses)
	s.advanceRoutes(c.Routes)
	edit(s.rules, c.Rules)
	s.advancePeers(c.Peers)
}

func (s *shadow) advanceRoutes(e mesh.Edits[mesh.Route]) {
	for _, r := range e.Add {
		s.routes[r.Key()] = r
	}
	for _, r := range e.Remove {
		delete(s.routes, r.Key())
	}
}

func (s *shadow) advancePeers(e mesh.PeerEdits) {
	s.takeAllowedIPs(e)
	for _, p := range e.Add {
		s.peers[p.PublicKey] = shapeOf(p.AllowedIPs, p.Keepalive)
	}
	for _, u := range e.Update {
		shape := s.peers[u.PublicKey]
		if len(u.AllowedIPs.Add) > 0 {
			shape = shapeOf(slices.Concat(shape.allowedIPs, u.AllowedIPs.Add), shape.keepalive)
		}
		if u.Keepalive != nil {
			shape.keepalive = *u.Keepalive
		}
		s.peers[u.PublicKey] = shape
	}
	for _, p := range e.Remove {
		delete(s.peers, p.PublicKey)
	}
}

// takeAllowedIPs takes from all peers what the edits give to some, or remove.
func (s *shadow) takeAllowedIPs(e mesh.PeerEdits) {
	moved := map[netip.Prefix]struct{}{}
	for _, p := range e.Add {
		edit(moved, mesh.Edits[netip.Prefix]{Add: p.AllowedIPs})
	}
	for _, u := range e.Update {
		edit(moved, mesh.Edits[netip.Prefix]{Add: slices.Concat(u.AllowedIPs.Add, u.AllowedIPs.Remove)})
	}
	taken := func(p netip.Prefix) bool {
		_, ok := moved[p]
		return ok
	}
	for key, shape := range s.peers {
		if slices.ContainsFunc(shape.allowedIPs, taken) {
			shape.allowedIPs = slices.DeleteFunc(slices.Clone(shape.allowedIPs), taken)
			s.peers[key] = shape
		}
	}
}

func byKey(routes []mesh.Route) map[mesh.RouteKey]mesh.Route {
	all := make(map[mesh.RouteKey]mesh.Route, len(routes))
	for _, r := range routes {
		all[r.Key()] = r
	}
	return all
}

func edit[T comparable](set map[T]struct{}, e mesh.Edits[T]) {
	for _, one := range e.Add {
		set[one] = struct{}{}
	}
	for _, one := range e.Remove {
		delete(set, one)
	}
}

func linkIface(seen observation) iface {
	l := seen.Link
	return iface{name: l.Name, index: seen.link, mtu: l.MTU, up: l.Up, addresses: setOf(l.Addresses)}
}

// bridgeIface is always up: whether a bridge is depends on its pods.
func bridgeIface(seen observation) iface {
	b := seen.Bridge
	return iface{name: b.Name, index: seen.bridge, mtu: b.MTU, up: true, addresses: setOf(b.Addresses)}
}

func setOf[T comparable](all []T) map[T]struct{} {
	set := make(map[T]struct{}, len(all))
	for _, one := range all {
		set[one] = struct{}{}
	}
	return set
}

func shapes(peers []mesh.Peer) map[keys.Public]peerShape {
	all := make(map[keys.Public]peerShape, len(peers))
	for _, p := range peers {
		all[p.PublicKey] = shapeOf(p.AllowedIPs, p.Keepalive)
	}
	return all
}

func shapeOf(allowedIPs []netip.Prefix, keepalive time.Duration) peerShape {
	sorted := slices.Clone(allowedIPs)
	slices.SortFunc(sorted, netip.Prefix.Compare)
	return peerShape{allowedIPs: sorted, keepalive: keepalive}
}

func (p peerShape) equal(other peerShape) bool {
	return p.keepalive == other.keepalive && slices.Equal(p.allowedIPs, other.allowedIPs)
}

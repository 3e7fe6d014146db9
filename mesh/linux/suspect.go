package linux

import (
	"maps"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

// parts of a host that a notification casts doubt on. Before anybody is poked they are read again, with no Apply under
// way: a notification may be older than the shadow, as when a route is removed and added again.
type parts uint8

const (
	partInterfaces parts = 1 << iota
	partRoutes
	partRules
	everything = partInterfaces | partRoutes | partRules
)

// suspects tells which parts the event casts doubt on. It costs nothing and may be wrong in one direction only.
func (s *shadow) suspects(e rtnl.Event) parts {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case rtnl.LinkEvent:
		return partInterfaces.when(s.link.concerns(e, s.unsure) || s.bridge.concerns(e, s.unsure) || s.underlay.concerns(e))
	case rtnl.AddressEvent:
		return partInterfaces.when(e.Index == s.link.index || e.Index == s.bridge.index)
	case rtnl.RouteEvent:
		route := s.named(e)
		have := s.routes[route.Key()] == route
		return partRoutes.when(s.unsure || s.known && have == e.Gone)
	case rtnl.RuleEvent:
		_, have := s.rules[e.Rule]
		return partRules.when(s.unsure || s.known && have == e.Gone)
	default:
		return 0
	}
}

func (p parts) when(suspect bool) parts {
	if suspect {
		return p
	}
	return 0
}

// concerns reports whether the event is about this interface and tells something new of it.
func (i iface) concerns(e rtnl.Event, unsure bool) bool {
	if e.Name != i.name && (e.Index != i.index || i.index == 0) {
		return false
	}
	return unsure || e.Gone || e.Name != i.name || e.Index != i.index || e.MTU != i.mtu || e.Up != i.up
}

func (u underlay) concerns(e rtnl.Event) bool {
	return u.index != 0 && u.index == e.Index && (e.Gone || u.mtu != e.MTU)
}

// named is the event's route with the name of its interface.
func (s *shadow) named(e rtnl.Event) mesh.Route {
	route := e.Route
	switch {
	case e.Unreachable:
	case e.Index == s.link.index:
		route.Link = s.link.name
	default:
		route.Link = rtnl.Anonymous(e.Index)
	}
	return route
}

// contradicted reads the parts again and reports whether they differ from what was last observed or applied. What cannot
// be read differs: Observe will say why.
func (h *Host) contradicted(p parts) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	checks := []struct {
		part  parts
		check func() (bool, error)
	}{{partInterfaces, h.interfacesDiffer}, {partRoutes, h.routesDiffer}, {partRules, h.rulesDiffer}}
	for _, c := range checks {
		if p&c.part == 0 {
			continue
		}
		if differs, err := c.check(); differs || err != nil {
			return true
		}
	}
	return false
}

func (h *Host) routesDiffer() (bool, error) {
	all, err := h.routes.Observe()
	return h.shadow.known && !maps.Equal(byKey(all), h.shadow.routes), err
}

func (h *Host) rulesDiffer() (bool, error) {
	all, err := h.rules.Observe()
	return h.shadow.known && !maps.Equal(setOf(all), h.shadow.rules), err
}

// interfacesDiffer also learns the interfaces' indices, which Apply does not know of an interface that it created.
func (h *Host) interfacesDiffer() (bool, error) {
	var seen observation
	if err := h.observeInterfaces(&seen); err != nil {
		return false, err
	}
	mtu, err := h.readUnderlay()
	s := &h.shadow
	s.mu.Lock()
	defer s.mu.Unlock()
	link, bridge := linkIface(seen), bridgeIface(seen)
	appeared := (s.link.index == 0) != (link.index == 0)
	s.link.index, s.bridge.index = link.index, bridge.index
	if !s.known {
		return appeared, err
	}
	return !link.equal(s.link) || !bridge.equal(s.bridge) || mtu != s.underlay.mtu, err
}

func (i iface) equal(other iface) bool {
	return i.name == other.name && i.mtu == other.mtu && i.up == other.up && maps.Equal(i.addresses, other.addresses)
}

// deviceDiffers compares what only the configuration changes of the device, and says how many peers that has.
func (h *Host) deviceDiffers() (differs bool, peers int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	device, err := h.readOwned()
	s := &h.shadow
	switch {
	case err != nil || (device != nil) != s.answers:
		return true, 0
	case !s.known || device == nil:
		return false, 0
	}
	differs = toDevice(device) != s.device || !maps.EqualFunc(shapes(toPeers(device)), s.peers, peerShape.equal)
	return differs, len(device.Peers)
}

// Limits of how often the device is read: no notification tells of changes to WireGuard's peers, and reading 5,000 of
// them takes some 50 ms. By their number and not by the time that the last reading took: a busy machine's delays would
// count too, and the next would come late just then.
const (
	pollEvery   = 500 * time.Millisecond
	pollPerPeer = 500 * time.Microsecond
)

func pollInterval(peers int) time.Duration { return max(pollEvery, time.Duration(peers)*pollPerPeer) }

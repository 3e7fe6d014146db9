package drift

import (
	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

// Parts are parts of a host that a notification may contradict. They are read again, with no change under way, before
// anybody is poked: a notification may be older than what is expected, as when a route is removed and added again.
type Parts uint8

// The parts that notifications tell of.
const (
	Interfaces Parts = 1 << iota
	Routes
	Rules
	Sysctls
	Uplinks
	// Obstacles are routes of somebody else's that were where warren wants its own.
	Obstacles
	Everything = Interfaces | Routes | Rules | Sysctls | Uplinks | Obstacles
)

// MayDiffer returns the parts that the event may contradict. It costs next to nothing. It may name a part that is as
// expected; it never leaves one out that is not.
func (e *Expected) MayDiffer(event rtnl.Event) Parts {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.partsOf(event) | Obstacles.when(e.removes(event))
}

func (e *Expected) partsOf(event rtnl.Event) Parts {
	switch event.Kind {
	case rtnl.LinkEvent:
		return Interfaces.when(e.link().contradicts(event, e.observing) || e.bridge().contradicts(event, e.observing) ||
			e.underlay.contradicts(event)) | Uplinks.when(event.Outward)
	case rtnl.AddressEvent:
		return Interfaces.when(event.Index == e.linkIndex || event.Index == e.bridgeIndex)
	case rtnl.RouteEvent:
		return Routes.when(e.routeMayDiffer(event))
	case rtnl.AdvertisedEvent:
		return Uplinks
	case rtnl.RuleEvent:
		return Rules.when(e.observing || e.known)
	case rtnl.SysctlEvent:
		return Sysctls.when(event.Index == rtnl.AllInterfaces || event.Index == e.linkIndex ||
			event.Index == e.bridgeIndex)
	default:
		return 0
	}
}

// routeMayDiffer also looks at somebody else's route where warren has one: the kernel does not notify of the route that
// another one replaces.
func (e *Expected) routeMayDiffer(event rtnl.Event) bool {
	route := e.named(event)
	if route.Foreign != 0 && !mesh.OwnTable(route.Table) {
		_, replaced := e.routes[ours(route)]
		return replaced && !event.Gone
	}
	have := e.routes[route.Key()] == route
	return e.observing || e.known && have == event.Gone
}

// ours returns the key of warren's route in the place of this one.
func ours(r mesh.Route) mesh.RouteKey {
	r.Foreign = 0
	return r.Key()
}

// removes reports whether the event may remove an obstacle. The kernel does not notify of the IPv4 routes that it
// removes together with an address, or when an interface goes down.
func (e *Expected) removes(event rtnl.Event) bool {
	switch {
	case len(e.obstacles) == 0:
		return false
	case event.Kind == rtnl.RouteEvent:
		return event.Gone && event.Route.Foreign != 0 && e.obstacles[ours(event.Route)]
	case event.Kind == rtnl.LinkEvent:
		return event.Gone || !event.Up
	}
	return event.Kind == rtnl.AddressEvent && event.Gone
}

// when returns p or nothing.
func (p Parts) when(may bool) Parts {
	if may {
		return p
	}
	return 0
}

// iface is an expected interface, as far as an event tells of it.
type iface struct {
	name       string
	index, mtu int
	up         bool
}

func (e *Expected) link() iface {
	l := e.parts.Link
	return iface{name: l.Name, index: e.linkIndex, mtu: l.MTU, up: l.Up}
}

// bridge is always up: whether a bridge is depends on its pods.
func (e *Expected) bridge() iface {
	b := e.parts.Bridge
	return iface{name: b.Name, index: e.bridgeIndex, mtu: b.MTU, up: true}
}

// contradicts reports whether the event is about this interface and tells something new of it; while the host is being
// observed, whether it is about this interface.
func (i iface) contradicts(e rtnl.Event, observing bool) bool {
	if e.Name != i.name && (e.Index != i.index || i.index == 0) {
		return false
	}
	return observing || e.Gone || e.Name != i.name || e.Index != i.index || e.MTU != i.mtu || e.Up != i.up
}

func (u underlay) contradicts(e rtnl.Event) bool {
	mtu, expected := u[e.Index]
	return expected && (e.Gone || e.MTU != mtu)
}

// named returns the event's route with the name of its interface.
func (e *Expected) named(event rtnl.Event) mesh.Route {
	route := event.Route
	switch {
	case event.Unreachable:
	case event.Index == e.linkIndex:
		route.Link = e.parts.Link.Name
	default:
		route.Link = rtnl.Anonymous(event.Index)
	}
	return route
}

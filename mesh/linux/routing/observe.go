package routing

import (
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

// Routes are warren's routes.
type Routes struct {
	Conn *rtnl.Conn
	// Count is called for every write, with its kind.
	Count func(kind string)
	// Obstacle is called for each route of somebody else's that is where warren wants its own; nil calls nothing.
	Obstacle func(mesh.RouteKey)
	// Replaceable reports whether an interface is going to be replaced: its routes go with it.
	Replaceable func(netlink.Link) bool
}

// tables are those that may have a route of warren's.
var tables = []int{mesh.TableMain, mesh.TablePods, mesh.TableNodes, mesh.TableEarlier}

// Observe returns the routes in no order, in the tables of warren's own anybody's. Those through an interface that is
// going to be replaced, or that is gone, have a Link that is no interface's name.
func (r Routes) Observe() ([]mesh.Route, error) {
	names := map[int]string{}
	var routes []mesh.Route
	for _, family := range rtnl.Families {
		for _, table := range tables {
			all, err := r.Conn.Routes(family, table)
			if err != nil {
				return nil, err
			}
			for _, one := range all {
				routes = append(routes, toRoute(one, r.linkName(names, one)))
			}
		}
	}
	return routes, nil
}

// linkName returns the name of the route's interface. It is empty for routes that are not unicast, although IPv6's
// unreachable routes have an interface: lo. names caches what was looked up.
func (r Routes) linkName(names map[int]string, route netlink.Route) string {
	if route.Type != unix.RTN_UNICAST {
		return ""
	}
	if name, ok := names[route.LinkIndex]; ok {
		return name
	}
	name := rtnl.Anonymous(route.LinkIndex)
	if link, err := r.Conn.FindIndex(route.LinkIndex); err == nil && link != nil && !r.Replaceable(link) {
		name = link.Attrs().Name
	}
	names[route.LinkIndex] = name
	return name
}

func toRoute(r netlink.Route, link string) mesh.Route {
	route := mesh.Route{
		Table:       uint32(r.Table),
		Destination: destination(r),
		Link:        link,
		Source:      rtnl.ToAddr(r.Src),
		Metric:      uint32(r.Priority),
		TOS:         uint8(r.Tos),
	}
	if r.Protocol != mesh.Protocol {
		route.Foreign = uint8(r.Protocol)
	}
	return route
}

func destination(r netlink.Route) netip.Prefix {
	if p := rtnl.ToPrefix(r.Dst); p.IsValid() {
		return p
	}
	return rtnl.Default(r.Family)
}

// fromRoute sets the scope that ip-route(8) gives such routes: IPv4 refuses others, IPv6 has none.
func fromRoute(r mesh.Route, index int) *netlink.Route {
	n := &netlink.Route{
		Table:     int(r.Table),
		Dst:       rtnl.ToIPNet(r.Destination),
		Src:       r.Source.AsSlice(),
		Priority:  int(r.Metric),
		Tos:       int(r.TOS),
		Protocol:  mesh.Protocol,
		LinkIndex: index,
		Type:      unix.RTN_UNICAST,
		Scope:     netlink.SCOPE_LINK,
	}
	if r.Foreign != 0 {
		n.Protocol = netlink.RouteProtocol(r.Foreign)
	}
	if r.Link == "" {
		n.Type, n.Scope = unix.RTN_UNREACHABLE, netlink.SCOPE_UNIVERSE
	}
	return n
}

package linux

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

// bothFamilies are the address families of routes and rules.
var bothFamilies = []int{unix.AF_INET, unix.AF_INET6}

// observeRoutes are warren's routes, in no order.
func (h *Host) observeRoutes() ([]mesh.Route, error) {
	names := map[int]string{}
	var routes []mesh.Route
	for _, family := range bothFamilies {
		for _, table := range []int{mesh.TableMain, mesh.TableMesh} {
			all, err := h.dumps.routes(family, table)
			if err != nil {
				return nil, err
			}
			for _, r := range all {
				routes = append(routes, toRoute(r, h.linkName(names, r)))
			}
		}
	}
	return routes, nil
}

// linkName is the route's interface; empty for routes that lead nowhere. (IPv6's unreachable routes have an interface
// nevertheless: lo.) An interface that is to be replaced has no name: its routes go with it. names caches what was looked up.
func (h *Host) linkName(names map[int]string, r netlink.Route) string {
	if r.Type != unix.RTN_UNICAST {
		return ""
	}
	if name, ok := names[r.LinkIndex]; ok {
		return name
	}
	name := anonymous(r.LinkIndex)
	if link, err := h.netlink.LinkByIndex(r.LinkIndex); err == nil && !h.replaceable(link) {
		name = link.Attrs().Name
	}
	names[r.LinkIndex] = name
	return name
}

// anonymous names an interface of which only the index is known. It is no valid name, so it is never mistaken for one.
func anonymous(index int) string { return fmt.Sprintf("index/%d", index) }

func toRoute(r netlink.Route, link string) mesh.Route {
	return mesh.Route{
		Table:       uint32(r.Table),
		Destination: destination(r),
		Link:        link,
		Source:      toAddr(r.Src),
		Metric:      uint32(r.Priority),
	}
}

// destination of a default route is not always told by the kernel.
func destination(r netlink.Route) netip.Prefix {
	if p := toPrefix(r.Dst); p.IsValid() {
		return p
	}
	if r.Family == unix.AF_INET6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

// fromRoute has the scope that ip-route(8) gives such routes: IPv4 refuses others, IPv6 has none.
func fromRoute(r mesh.Route, index int) *netlink.Route {
	n := &netlink.Route{
		Table:     int(r.Table),
		Dst:       toIPNet(r.Destination),
		Src:       r.Source.AsSlice(),
		Priority:  int(r.Metric),
		Protocol:  mesh.Protocol,
		LinkIndex: index,
		Type:      unix.RTN_UNICAST,
		Scope:     netlink.SCOPE_LINK,
	}
	if r.Link == "" {
		n.Type, n.Scope = unix.RTN_UNREACHABLE, netlink.SCOPE_UNIVERSE
	}
	return n
}

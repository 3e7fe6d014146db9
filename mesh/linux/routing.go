package linux

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

// slot is what only one route can have: another one with the same replaces it or fails, in IPv4 and in IPv6.
type slot struct {
	table       uint32
	destination netip.Prefix
	metric      uint32
}

func slotOf(r mesh.Route) slot { return slot{r.Table, r.Destination, r.Metric} }

func bySlot(routes []mesh.Route) map[slot]mesh.Route {
	all := make(map[slot]mesh.Route, len(routes))
	for _, r := range routes {
		all[slotOf(r)] = r
	}
	return all
}

// routing writes the routes of one Apply.
type routing struct {
	host *Host
	// links caches interface indices, zero for interfaces that do not exist.
	links map[string]int
	// present is what is there already, read when a route is in the way.
	present map[slot]mesh.Route
}

func (h *Host) newRouting() *routing { return &routing{host: h, links: map[string]int{"": 0}} }

// add adds the routes that keep selects, and goes on past those that fail.
func (r *routing) add(routes []mesh.Route, keep func(mesh.Route) bool) error {
	var failed failures
	for _, route := range routes {
		if !keep(route) {
			continue
		}
		if err := r.addOne(route); err != nil {
			failed.add(fmt.Errorf("add route %v: %w", route, err))
		}
	}
	return failed.err()
}

// unreachable and through select the routes that lead nowhere and the others.
func unreachable(r mesh.Route) bool { return r.Link == "" }
func through(r mesh.Route) bool     { return r.Link != "" }

func (r *routing) addOne(route mesh.Route) error {
	index, err := r.index(route.Link)
	if err != nil {
		return err
	}
	if index == 0 && through(route) {
		return fmt.Errorf("interface %s: %w", route.Link, errNoLink)
	}
	err = r.write(opRouteAdd, route, index)
	if errors.Is(err, unix.EEXIST) {
		return r.resolve(route, index)
	}
	return err
}

func (r *routing) write(kind string, route mesh.Route, index int) error {
	write := r.host.netlink.RouteAdd
	if kind == opRouteReplace {
		write = r.host.netlink.RouteReplace
	}
	r.host.counts.add(kind)
	return write(fromRoute(route, index))
}

// resolve deals with a slot that is not free: the same route is welcome, another one of warren's is replaced, and
// somebody else's is left alone.
func (r *routing) resolve(route mesh.Route, index int) error {
	if r.present == nil {
		all, err := r.host.observeRoutes()
		if err != nil {
			return err
		}
		r.present = bySlot(all)
	}
	have, ours := r.present[slotOf(route)]
	switch {
	case !ours:
		return fmt.Errorf("%w: somebody else's route is in its place: remove that one", unix.EEXIST)
	case have == route:
		return nil
	}
	return r.write(opRouteReplace, route, index)
}

// remove deletes the routes, and goes on past those that fail.
func (r *routing) remove(routes []mesh.Route) error {
	var failed failures
	for _, route := range routes {
		if err := r.removeOne(route); err != nil {
			failed.add(fmt.Errorf("remove route %v: %w", route, err))
		}
	}
	return failed.err()
}

// removeOne names the slot and the protocol in its request, and not how the route looks besides: so it removes what of
// warren's protocol a mesh.Route describes only in part (via a gateway, say), and never somebody else's.
func (r *routing) removeOne(route mesh.Route) error {
	index, err := r.index(route.Link)
	if err != nil {
		return err
	}
	old := fromRoute(route, index)
	old.Scope, old.Type = netlink.SCOPE_NOWHERE, unix.RTN_UNSPEC
	r.host.counts.add(opRouteDel)
	if err := r.host.netlink.RouteDel(old); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// index is the interface's; zero where there is none of the name.
func (r *routing) index(name string) (int, error) {
	if index, ok := r.links[name]; ok {
		return index, nil
	}
	link, err := r.host.find(name)
	if err != nil {
		return 0, err
	}
	r.links[name] = 0
	if link != nil {
		r.links[name] = link.Attrs().Index
	}
	return r.links[name], nil
}

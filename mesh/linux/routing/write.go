package routing

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

// The kinds of write that Routes counts.
const (
	opAdd     = "route-add"
	opReplace = "route-replace"
	opRemove  = "route-del"
)

// Batch writes the routes of one change. It caches what it looks up, so it is of no use after that change.
type Batch struct {
	routes Routes
	// links caches interface indices, zero for interfaces that do not exist.
	links map[string]int
	// present is what is there already, read when a route is in the way.
	present map[mesh.RouteKey]mesh.Route
}

// Batch starts a Batch.
func (r Routes) Batch() *Batch { return &Batch{routes: r, links: map[string]int{"": 0}} }

// Add adds the routes that keep selects, and continues past those that fail. A route that is there already is no
// failure. One of somebody else's in its place is replaced in a table of warren's own; elsewhere it is a failure, and
// the error wraps EEXIST. The error wraps rtnl.ErrNoLink where a route's interface does not exist.
func (b *Batch) Add(routes []mesh.Route, keep func(mesh.Route) bool) error {
	return rtnl.Each(routes, func(r mesh.Route) error {
		if !keep(r) {
			return nil
		}
		if err := b.add(r); err != nil {
			return fmt.Errorf("add route %v: %w", r, err)
		}
		return nil
	})
}

// Unreachable selects the routes that have no interface.
func Unreachable(r mesh.Route) bool { return r.Link == "" }

// Unicast selects the routes that have an interface.
func Unicast(r mesh.Route) bool { return r.Link != "" }

func (b *Batch) add(route mesh.Route) error {
	index, err := b.index(route.Link)
	if err != nil {
		return err
	}
	if index == 0 && Unicast(route) {
		return fmt.Errorf("interface %s: %w", route.Link, rtnl.ErrNoLink)
	}
	b.routes.Count(opAdd)
	err = b.routes.Conn.Handle.RouteAdd(fromRoute(route, index))
	if errors.Is(err, unix.EEXIST) {
		return b.resolve(route, index)
	}
	return err
}

// resolve handles a key that is taken: by the same route, which is fine, by another one of warren's or in a table of
// warren's, which it replaces, or by somebody else's, which it leaves alone.
func (b *Batch) resolve(route mesh.Route, index int) error {
	if b.present == nil {
		all, err := b.routes.Observe()
		if err != nil {
			return err
		}
		b.present = byKey(all)
	}
	have, ours := b.present[route.Key()]
	switch {
	case !ours && !mesh.OwnTable(route.Table):
		return b.obstacle(route, index)
	case have == route:
		return nil
	}
	b.routes.Count(opReplace)
	return b.routes.Conn.Handle.RouteReplace(fromRoute(route, index))
}

// obstacle reports the obstacle and then tries once more: nobody would be told that it went in between.
func (b *Batch) obstacle(route mesh.Route, index int) error {
	if b.routes.Obstacle != nil {
		b.routes.Obstacle(route.Key())
	}
	err := b.routes.Conn.Handle.RouteAdd(fromRoute(route, index))
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%w: somebody else's route is in its place: remove that one", err)
	}
	return err
}

// Remove deletes the routes, and continues past those that fail. A route that is gone already is no failure.
func (b *Batch) Remove(routes []mesh.Route) error {
	return rtnl.Each(routes, func(r mesh.Route) error {
		if err := b.remove(r); err != nil {
			return fmt.Errorf("remove route %v: %w", r, err)
		}
		return nil
	})
}

// remove names the route's key and protocol in its request and nothing else: so it also removes routes that a
// mesh.Route describes only in part (via a gateway, say), and never one of another protocol.
func (b *Batch) remove(route mesh.Route) error {
	index, err := b.index(route.Link)
	if err != nil {
		return err
	}
	old := fromRoute(route, index)
	old.Scope, old.Type = netlink.SCOPE_NOWHERE, unix.RTN_UNSPEC
	b.routes.Count(opRemove)
	if err := b.routes.Conn.Handle.RouteDel(old); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// index returns the interface's index, or zero where there is none of that name.
func (b *Batch) index(name string) (int, error) {
	if index, ok := b.links[name]; ok {
		return index, nil
	}
	link, err := b.routes.Conn.Find(name)
	if err != nil {
		return 0, err
	}
	b.links[name] = 0
	if link != nil {
		b.links[name] = link.Attrs().Index
	}
	return b.links[name], nil
}

func byKey(routes []mesh.Route) map[mesh.RouteKey]mesh.Route {
	all := make(map[mesh.RouteKey]mesh.Route, len(routes))
	for _, r := range routes {
		all[r.Key()] = r
	}
	return all
}

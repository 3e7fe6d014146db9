package meshtest

import (
	"fmt"
	"maps"

	"warren.mesh/mesh"
)

// addRoute refuses what Linux refuses: an interface that is absent or down, a source that no interface has, and the key
// of somebody else's route. It replaces a route of warren's with the same key.
func (k *Kernel) addRoute(r mesh.Route) error {
	if err := k.write("route-add"); err != nil {
		return fmt.Errorf("add route %v: %w", r, err)
	}
	have, taken := k.routes[r.Key()]
	switch {
	case r.Link != "" && (r.Link != k.cfg.Link || k.link == nil):
		return fmt.Errorf("add route %v: no such interface", r)
	case r.Link != "" && !k.link.up:
		return fmt.Errorf("add route %v: network is down", r)
	case r.Source.IsValid() && !k.has(r.Source):
		return fmt.Errorf("add route %v: invalid argument", r)
	case taken && have.foreign:
		return fmt.Errorf("add route %v: file exists: somebody else's route is in its place", r)
	case taken && have.Route != r:
		k.counts["route-replace"]++
	}
	k.routes[r.Key()] = route{Route: r}
	return nil
}

// delRoute leaves somebody else's route alone.
func (k *Kernel) delRoute(r mesh.Route) error {
	have, ok := k.routes[r.Key()]
	if err := k.write("route-del"); err != nil {
		return fmt.Errorf("remove route %v: %w", r, err)
	}
	if ok && have.Route == r && !have.foreign {
		delete(k.routes, r.Key())
	}
	return nil
}

func (k *Kernel) addRule(r mesh.Rule) error {
	if err := k.write("rule-add"); err != nil {
		return fmt.Errorf("add rule %v: %w", r, err)
	}
	k.rules[r] = true
	return nil
}

func (k *Kernel) delRule(r mesh.Rule) error {
	if err := k.write("rule-del"); err != nil {
		return fmt.Errorf("remove rule %v: %w", r, err)
	}
	delete(k.rules, r)
	return nil
}

// dropRoutes removes the routes through the link.
func (k *Kernel) dropRoutes() {
	maps.DeleteFunc(k.routes, func(_ mesh.RouteKey, r route) bool { return r.Link == k.cfg.Link })
}

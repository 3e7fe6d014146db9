package meshtest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"warren.mesh/mesh"
)

// addRoute refuses what Linux refuses: an interface that is absent or down, a source that no interface has, and the key
// of somebody else's route, but in a table of warren's own. It replaces a route of warren's with the same key.
func (k *Kernel) addRoute(r mesh.Route) error {
	if err := k.write("route-add"); err != nil {
		return fmt.Errorf("add route %v: %w", r, err)
	}
	have, taken := k.routes[r.Key()]
	foreign, inTheWay := k.foreignRoute(r)
	switch {
	case r.Link != "" && (r.Link != k.cfg.Link || k.link == nil):
		return fmt.Errorf("add route %v: no such interface", r)
	case r.Link != "" && !k.link.up:
		return fmt.Errorf("add route %v: network is down", r)
	case r.Source.IsValid() && !k.has(r.Source):
		return fmt.Errorf("add route %v: invalid argument", r)
	case inTheWay && !mesh.OwnTable(r.Table):
		return fmt.Errorf("add route %v: file exists: somebody else's route is in its place", r)
	case inTheWay, taken && have != r:
		k.counts["route-replace"]++
		delete(k.routes, foreign)
	}
	k.routes[r.Key()] = r
	return nil
}

// foreignRoute returns the key of somebody else's route in the place of this one.
func (k *Kernel) foreignRoute(r mesh.Route) (key mesh.RouteKey, there bool) {
	for key := range k.routes {
		whose := key.Foreign
		key.Foreign = 0
		if whose != 0 && key == r.Key() {
			key.Foreign = whose
			return key, true
		}
	}
	return mesh.RouteKey{}, false
}

// delRoute leaves other routes alone.
func (k *Kernel) delRoute(r mesh.Route) error {
	have, ok := k.routes[r.Key()]
	if err := k.write("route-del"); err != nil {
		return fmt.Errorf("remove route %v: %w", r, err)
	}
	if ok && have == r {
		delete(k.routes, r.Key())
	}
	return nil
}

// setRules puts a sequence in force in front of all rules, and then ends the earlier one, for each family in want.
func (k *Kernel) setRules(want []mesh.Rule) error {
	var errs []error
	for _, v6 := range []bool{false, true} {
		sequence := family(v6, want)
		if len(sequence) == 0 || slices.Equal(sequence, k.inPlace(v6)) {
			continue
		}
		if err := k.write("rule-add"); err != nil {
			errs = append(errs, fmt.Errorf("set rules %v: %w", sequence, err))
			continue
		}
		k.counts["rule-add"] += uint64(len(sequence) - 1)
		first := k.firstRule(v6) - 1
		k.rules = slices.DeleteFunc(k.rules, func(r rule) bool {
			return !r.foreign && slices.Contains(sequence, r.Rule)
		})
		for _, r := range sequence {
			k.rules = append(k.rules, rule{Rule: r, at: first})
		}
	}
	return errors.Join(errs...)
}

// delRule removes an astray rule from where it is, another one from wherever it is.
func (k *Kernel) delRule(r mesh.Rule) error {
	if err := k.write("rule-del"); err != nil {
		return fmt.Errorf("remove rule %v: %w", r, err)
	}
	k.rules = slices.DeleteFunc(k.rules, func(have rule) bool {
		return !have.foreign && (have.Rule == r || k.seen(have) == r)
	})
	return nil
}

// inPlace returns the rules of one family that are warren's and not astray.
func (k *Kernel) inPlace(v6 bool) []mesh.Rule {
	return slices.DeleteFunc(family(v6, k.listRules()), func(r mesh.Rule) bool { return r.Astray })
}

// listRules returns warren's rules, in order.
func (k *Kernel) listRules() []mesh.Rule {
	sorted := slices.Clone(k.rules)
	slices.SortStableFunc(sorted, func(a, b rule) int { return cmp.Compare(a.at, b.at) })
	var all []mesh.Rule
	for _, r := range sorted {
		if !r.foreign {
			all = append(all, k.seen(r))
		}
	}
	return all
}

// seen returns the rule as it is observed: in place at the first preference of all.
func (k *Kernel) seen(r rule) mesh.Rule {
	if r.at != k.firstRule(r.IPv6) {
		r.Astray, r.Preference = true, uint32(r.at)
	}
	return r.Rule
}

// firstRule returns the first preference at which there is a rule, or the main table's.
func (k *Kernel) firstRule(v6 bool) int {
	first := 32766
	for _, r := range k.rules {
		if r.IPv6 == v6 {
			first = min(first, r.at)
		}
	}
	return first
}

func family(v6 bool, rules []mesh.Rule) []mesh.Rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r mesh.Rule) bool { return r.IPv6 != v6 })
}

// dropRoutes removes the routes through the link.
func (k *Kernel) dropRoutes() {
	maps.DeleteFunc(k.routes, func(_ mesh.RouteKey, r mesh.Route) bool { return r.Link == k.cfg.Link })
}

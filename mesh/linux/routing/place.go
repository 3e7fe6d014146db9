package routing

import (
	"slices"

	"warren.mesh/mesh"
)

// highest is the preference of the sequence while nobody else has a rule at it or before it. There is room below,
// because the kernel places a rule that is added without a preference in front of the second rule that there is
// (fib_default_rule_pref of net/core/fib_rules.c), which is the first one of the sequence: programs add such rules one
// by one, each in front of its last, and count on it.
const highest = 50

// untouched are preferences that others may have before the sequence. At 0, where the kernel has its rule for the local
// table, there is no room: rules without a preference would no longer come in front of each other but behind, and the
// host's own traffic would end in the tunnel of a VPN that wg-quick(8) brings up, whose rule for the default route
// would come before its exception for everything else.
const untouched = 2

// listed is a rule of one family as the kernel lists it.
type listed struct {
	rule       mesh.Rule
	preference uint32
	// ours reports whether it is of warren's protocol.
	ours bool
}

// is reports whether the rule is meant by an observed one.
func (l listed) is(seen mesh.Rule) bool {
	if seen.Astray && seen.Preference != l.preference {
		return false
	}
	seen.Astray, seen.Preference = false, 0
	return l.rule == seen
}

// first reports whether it is somebody else's and stays before the sequence.
func (l listed) first() bool {
	kernels := l.preference == 0 && l.rule == mesh.Rule{IPv6: l.rule.IPv6, Table: mesh.TableLocal}
	return !l.ours && !kernels && l.preference <= untouched
}

// spots returns the two preferences at which a sequence may stand, both before everybody else's: the one that is in
// force, and the one for the next. Where neither has rules, the higher one is next.
func spots(all []listed) (inForce, spare uint32) {
	high := uint32(highest)
	for _, l := range all {
		if !l.ours && l.preference > untouched {
			high = min(high, l.preference-1)
		}
	}
	low := high - 1
	if len(at(low, all)) > 0 {
		return low, high
	}
	if len(at(high, all)) > 0 {
		return high, low
	}
	return low, high
}

// at returns warren's rules at a preference, in order.
func at(preference uint32, all []listed) []mesh.Rule {
	var rules []mesh.Rule
	for _, l := range all {
		if l.ours && l.preference == preference {
			rules = append(rules, l.rule)
		}
	}
	return rules
}

// placed returns warren's rules in order, as a State has them: astray are all that are not where the sequence is in
// force.
func placed(all []listed) []mesh.Rule {
	inForce, _ := spots(all)
	var rules []mesh.Rule
	for _, l := range all {
		if !l.ours {
			continue
		}
		if l.preference != inForce {
			l.rule.Astray, l.rule.Preference = true, l.preference
		}
		rules = append(rules, l.rule)
	}
	return rules
}

// fromBehind returns the rules in the order in which to remove them. A sequence of which only a beginning is left
// decides as it did or leaves the packet to the next sequence. One that has lost its beginning decides otherwise: to
// the node's own pods would go what is to any pod.
func fromBehind[T any](rules []T) []T {
	rules = slices.Clone(rules)
	slices.Reverse(rules)
	return rules
}

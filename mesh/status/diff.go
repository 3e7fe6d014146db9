package status

import (
	"slices"
	"strings"

	"warren.mesh/mesh"
)

// Difference is what there is to tell of two snapshots: conditions and problems that came and went.
type Difference struct {
	// Began are conditions that are new, or have another State or Reason; Ended those whose step is done, as they last
	// were.
	Began, Ended []Condition
	// Arose and Gone are problems that are new and that are over.
	Arose, Gone []Problem
	// PoliciesArose and PoliciesGone are the same of network policies.
	PoliciesArose, PoliciesGone []PolicyProblem
}

// Diff returns what came and went between two snapshots: conditions by step, those of the Enforcement last; new
// problems in the core's order, and those that are gone sorted by their text.
func Diff(before, after Snapshot) Difference {
	var d Difference
	have, had := after.AllConditions(), before.AllConditions()
	d.Began = missing(have, had, Condition.same)
	d.Ended = missing(had, have, Condition.ofSameStep)
	d.PoliciesArose = addedPolicies(before.Enforcement.Problems, after.Enforcement.Problems)
	d.PoliciesGone = addedPolicies(after.Enforcement.Problems, before.Enforcement.Problems)
	if slices.Equal(before.Problems, after.Problems) {
		return d
	}
	d.Arose = added(before.Problems, after.Problems)
	d.Gone = added(after.Problems, before.Problems)
	slices.SortFunc(d.Gone, func(p, q Problem) int { return strings.Compare(p.of().String(), q.of().String()) })
	return d
}

// missing returns the conditions that have no equal in others. There are about as many conditions as a pass has steps.
func missing(conditions, others []Condition, equal func(c, other Condition) bool) (all []Condition) {
	for _, c := range conditions {
		if !slices.ContainsFunc(others, func(other Condition) bool { return equal(c, other) }) {
			all = append(all, c)
		}
	}
	return all
}

// added returns the problems of after that before has not, each once. There may be as many problems as nodes.
func added(before, after []Problem) (all []Problem) {
	known := make(map[mesh.Problem]bool, len(before))
	for _, p := range before {
		known[p.of()] = true
	}
	for _, p := range after {
		if !known[p.of()] {
			known[p.of()] = true
			all = append(all, p)
		}
	}
	return all
}

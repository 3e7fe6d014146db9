package policy

import (
	"cmp"
	"slices"
)

// Problem is something that the input asks for and that is not kept, or that has to wait. What cannot be read is
// closed; the rest of the input is kept.
type Problem struct {
	// Kind is "NetworkPolicy" or "Pod".
	Kind            string
	Namespace, Name string
	// Field is the part of the object that cannot be kept: "spec.ingress[0].from[1].ipBlock.cidr".
	Field string
	// Reason says what is wrong and what becomes of it, in words for operators.
	Reason string
	// Waiting says that the API server will tell what is missing: the labels of a pod that was attached just now.
	Waiting bool
}

// String returns "NetworkPolicy x/db: spec.podSelector: reason".
func (p Problem) String() string {
	return p.Kind + " " + p.Namespace + "/" + p.Name + ": " + p.Field + ": " + p.Reason
}

func compareProblems(a, b Problem) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Field, b.Field), cmp.Compare(a.Reason, b.Reason))
}

func sortProblems(all []Problem) []Problem {
	slices.SortFunc(all, compareProblems)
	return slices.Compact(all)
}

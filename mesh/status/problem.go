package status

import (
	"slices"
	"time"

	"warren.mesh/mesh"
)

// Problem is what is wrong with a node, as the core finds it, with the time since when.
type Problem struct {
	// Node is the Node at fault, and Field the part of its announcement.
	Node  string     `json:"node"`
	Field mesh.Field `json:"field"`
	// Reason says what is wrong with which value, and what to do.
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// of returns the core's Problem.
func (p Problem) of() mesh.Problem {
	return mesh.Problem{Node: p.Node, Field: p.Field, Reason: p.Reason}
}

// WithProblems returns s with these Problems. Those that s has already keep their Since.
func (s Snapshot) WithProblems(list []mesh.Problem, now time.Time) Snapshot {
	if slices.EqualFunc(s.Problems, list, func(p Problem, q mesh.Problem) bool { return p.of() == q }) {
		return s
	}
	since := make(map[mesh.Problem]time.Time, len(s.Problems))
	for _, p := range s.Problems {
		since[p.of()] = p.Since
	}
	s.Problems = make([]Problem, 0, len(list))
	for _, p := range list {
		first, known := since[p]
		if !known {
			first = now
		}
		s.Problems = append(s.Problems, Problem{Node: p.Node, Field: p.Field, Reason: p.Reason, Since: first})
	}
	return s
}

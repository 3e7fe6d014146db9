package status

import (
	"fmt"
	"slices"
	"time"
)

// MaxPolicyProblems bounds how many problems with network policies a Snapshot holds: whoever may write policies may
// write any number of wrong ones.
const MaxPolicyProblems = 50

// Enforcement is how the pass over network policies fares. The zero value keeps none: --network-policy=off.
type Enforcement struct {
	// On says that network policies are to be kept.
	On bool `json:"on"`
	// Began is when the pass under way began; zero between passes.
	Began time.Time `json:"began,omitzero"`
	// Synced is when the tables in force were last seen or made to be as they should; zero before the first time.
	Synced time.Time `json:"synced,omitzero"`
	// Conditions are the steps that wait, fail or warn, sorted by step.
	Conditions Conditions `json:"conditions,omitempty"`
	// Problems are what cannot be kept of policies, in the order of the core, MaxPolicyProblems at most. ProblemCount
	// is how many there are.
	Problems     []PolicyProblem `json:"problems,omitempty"`
	ProblemCount int             `json:"problemCount,omitempty"`
	// Policies is how many NetworkPolicies the cluster has, and Isolated how many pods of this node are isolated by
	// one, in either direction.
	Policies int `json:"policies"`
	Isolated int `json:"isolated"`
	// Attached is how many attachments of pods are known here, and Waiting how many of them are held closed until their
	// policies are in force.
	Attached int `json:"attached"`
	Waiting  int `json:"waiting"`
	// Edits counts the changes written to the tables since the start.
	Edits uint64 `json:"edits"`
}

// PolicyProblem is what cannot be kept of a NetworkPolicy, or for a pod.
type PolicyProblem struct {
	// Kind is "NetworkPolicy" or "Pod", Namespace and Name are the object's, and Field is the path of what is wrong in
	// it: spec.ingress[0].ports[1].
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Field     string `json:"field"`
	// Reason says what is wrong with which value, and what follows from that.
	Reason string `json:"reason"`
}

// String reads "KIND NAMESPACE/NAME FIELD: REASON".
func (p PolicyProblem) String() string {
	return fmt.Sprintf("%s %s/%s %s: %s", p.Kind, p.Namespace, p.Name, p.Field, p.Reason)
}

// Report returns e after a step went as err says, as Snapshot.Report does.
func (e Enforcement) Report(step Step, err error, now time.Time) Enforcement {
	e.Conditions = e.Conditions.report(step, err, now)
	return e
}

// Warn returns e with a Warning about a step, as Snapshot.Warn does.
func (e Enforcement) Warn(step Step, reason string, now time.Time) Enforcement {
	e.Conditions = e.Conditions.warn(step, reason, now)
	return e
}

// WithProblems returns e with these problems.
func (e Enforcement) WithProblems(list []PolicyProblem) Enforcement {
	e.ProblemCount = len(list)
	if list = list[:min(len(list), MaxPolicyProblems)]; !slices.Equal(e.Problems, list) {
		e.Problems = slices.Clone(list)
	}
	return e
}

// unready says what keeps network policies from being in force; empty where none are to be kept.
func (e Enforcement) unready() []string {
	undone := e.Conditions.undone()
	if e.On && e.Synced.IsZero() && len(undone) == 0 {
		return []string{"waiting for the first pass over network policies"}
	}
	return reasons(undone)
}

// AllConditions returns those of the mesh and then those of the Enforcement.
func (s Snapshot) AllConditions() Conditions {
	if len(s.Enforcement.Conditions) == 0 {
		return s.Conditions
	}
	return slices.Concat(s.Conditions, s.Enforcement.Conditions)
}

// addedPolicies returns the problems of after that before has not.
func addedPolicies(before, after []PolicyProblem) (all []PolicyProblem) {
	for _, p := range after {
		if !slices.Contains(before, p) {
			all = append(all, p)
		}
	}
	return all
}

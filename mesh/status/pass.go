package status

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// StuckAfter is how long one pass may take before its worker counts as stuck. The longest seen is the removal of 5,000
// kernel peers: 95 seconds.
const StuckAfter = 5 * time.Minute

// Outcome is how a pass went: the worst of its steps.
type Outcome string

// The outcomes, from the best to the worst.
const (
	Success Outcome = "success"
	Waited  Outcome = "waiting"
	Failed  Outcome = "error"
)

// Outcomes are all outcomes.
var Outcomes = []Outcome{Success, Waited, Failed}

// Pass is how the passes of a worker go.
type Pass struct {
	// Began is when the pass under way began; zero between passes.
	Began time.Time `json:"began,omitzero"`
	// Ended is when the last pass ended; zero before the first. Took is how long it took, in nanoseconds in JSON.
	Ended   time.Time     `json:"ended,omitzero"`
	Took    time.Duration `json:"took,omitempty"`
	Outcome Outcome       `json:"outcome,omitempty"`
	// Undone are the conditions that the last pass left.
	Undone Conditions `json:"undone,omitempty"`
	// Count is how many passes have ended with which outcome.
	Count map[Outcome]uint64 `json:"count,omitempty"`
}

// Begin returns s with a pass under way.
func (s Snapshot) Begin(now time.Time) Snapshot {
	s.Pass.Began = now
	return s
}

// End returns s after the pass under way has ended.
func (s Snapshot) End(now time.Time) Snapshot {
	result := s.Outcome()
	count := maps.Clone(s.Pass.Count)
	if count == nil {
		count = map[Outcome]uint64{}
	}
	count[result]++
	s.Pass = Pass{Ended: now, Took: now.Sub(s.Pass.Began), Outcome: result, Undone: s.Conditions.undone(), Count: count}
	return s
}

// Outcome returns the worst of all steps as they are, but for those of the Enforcement, which makes its own passes.
func (s Snapshot) Outcome() Outcome {
	result := Success
	for _, c := range s.Conditions.undone() {
		if c.State == Failing {
			return Failed
		}
		result = Waited
	}
	return result
}

// Stuck says why a worker is not alive; empty while both are.
func (s Snapshot) Stuck(now time.Time) (all []string) {
	for what, began := range map[string]time.Time{
		"a pass": s.Pass.Began, "a pass over network policies": s.Enforcement.Began,
	} {
		if took := now.Sub(began); !began.IsZero() && took >= StuckAfter {
			all = append(all, fmt.Sprintf("%s has been under way for %v", what, took.Round(time.Second)))
		}
	}
	slices.Sort(all)
	return all
}

// Unready says what the mesh and its network policies lack on this node, one reason for each step; empty when it is
// ready. A step whose condition is gone counts as done only when the pass that found it so has ended well: until then
// Unready gives what the last pass left undone.
func (s Snapshot) Unready() []string {
	undone := s.Conditions.undone()
	switch {
	case len(undone) > 0:
	case s.Pass.Ended.IsZero():
		return append([]string{"waiting for the first pass"}, s.Enforcement.unready()...)
	default:
		undone = s.Pass.Undone
	}
	return append(reasons(undone), s.Enforcement.unready()...)
}

// Warnings returns what an operator should know although the node is ready, one warning for each step.
func (s Snapshot) Warnings() (all []string) {
	for _, c := range s.AllConditions() {
		if c.warns() {
			all = append(all, c.String())
		}
	}
	return all
}

func reasons(conditions Conditions) (all []string) {
	for _, c := range conditions {
		all = append(all, c.String())
	}
	return all
}

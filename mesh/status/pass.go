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
	Undone []Condition `json:"undone,omitempty"`
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
	s.Pass = Pass{Ended: now, Took: now.Sub(s.Pass.Began), Outcome: result, Undone: s.undone(), Count: count}
	return s
}

// Outcome returns the worst of all steps as they are.
func (s Snapshot) Outcome() Outcome {
	result := Success
	for _, c := range s.undone() {
		if c.State == Failing {
			return Failed
		}
		result = Waited
	}
	return result
}

// undone returns the conditions but for warnings.
func (s Snapshot) undone() []Condition {
	if !slices.ContainsFunc(s.Conditions, Condition.warns) {
		return s.Conditions
	}
	return slices.DeleteFunc(slices.Clone(s.Conditions), Condition.warns)
}

func (c Condition) warns() bool { return c.State == Warning }

// Stuck says why the worker is not alive; empty while it is.
func (s Snapshot) Stuck(now time.Time) []string {
	took := now.Sub(s.Pass.Began)
	if s.Pass.Began.IsZero() || took < StuckAfter {
		return nil
	}
	return []string{fmt.Sprintf("a pass has been under way for %v", took.Round(time.Second))}
}

// Unready says what the mesh lacks on this node, one reason for each step; empty when it is ready. A step whose
// condition is gone counts as done only when the pass that found it so has ended well: until then Unready gives what
// the last pass left undone.
func (s Snapshot) Unready() []string {
	undone := s.undone()
	switch {
	case len(undone) > 0:
		return reasons(undone)
	case s.Pass.Ended.IsZero():
		return []string{"waiting for the first pass"}
	default:
		return reasons(s.Pass.Undone)
	}
}

// Warnings returns what an operator should know although the node is ready, one warning for each step.
func (s Snapshot) Warnings() (all []string) {
	for _, c := range s.Conditions {
		if c.warns() {
			all = append(all, c.String())
		}
	}
	return all
}

func reasons(conditions []Condition) (all []string) {
	for _, c := range conditions {
		all = append(all, c.String())
	}
	return all
}

package status

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"warren.mesh/mesh"
)

// Step names one part of a pass, which fails, waits and recovers by itself. The passes name their own steps.
type Step string

// State is why a step is not done.
type State string

// A step that is done has no Condition. Waiting is for others, and no fault of this node's; what fails is retried. A
// Warning is for an operator to know: the node is ready all the same.
const (
	Waiting State = "waiting"
	Failing State = "failing"
	Warning State = "warning"
)

// Condition is a step that is not done, or that an operator should know something of.
type Condition struct {
	Step  Step  `json:"step"`
	State State `json:"state"`
	// Reason is what the step waits for or fails with, on one line.
	Reason string `json:"reason"`
	// Since is when the step came into this State. Its Reason may have changed since then.
	Since time.Time `json:"since"`
}

// String reads "STEP: REASON".
func (c Condition) String() string { return string(c.Step) + ": " + c.Reason }

// same reports whether nothing but the time differs.
func (c Condition) same(d Condition) bool {
	c.Since, d.Since = time.Time{}, time.Time{}
	return c == d
}

// ofSameStep reports whether both are about one step.
func (c Condition) ofSameStep(d Condition) bool { return c.Step == d.Step }

// compareStep orders conditions by step.
func (c Condition) compareStep(step Step) int { return cmp.Compare(c.Step, step) }

// Report returns s after a step went as err says: nil is done, an error that wraps mesh.ErrWaiting waits, any other
// fails. A step that was cancelled says nothing.
func (s Snapshot) Report(step Step, err error, now time.Time) Snapshot {
	if errors.Is(err, context.Canceled) {
		return s
	}
	condition := Condition{Step: step, State: Failing, Reason: oneLine(err), Since: now}
	if errors.Is(err, mesh.ErrWaiting) {
		condition.State = Waiting
	}
	return s.with(condition)
}

// Warn returns s with a Warning about a step, or without one if the reason is empty. No step has both a Warning and
// another Condition: it needs a name of its own.
func (s Snapshot) Warn(step Step, reason string, now time.Time) Snapshot {
	return s.with(Condition{Step: step, State: Warning, Reason: reason, Since: now})
}

// with returns s with the condition in the place of the one that its step has had, or without any if it has no reason.
func (s Snapshot) with(condition Condition) Snapshot {
	i, known := slices.BinarySearchFunc(s.Conditions, condition.Step, Condition.compareStep)
	if condition.Reason == "" && !known {
		return s
	}
	s.Conditions = slices.Clone(s.Conditions)
	if condition.Reason == "" {
		s.Conditions = slices.Delete(s.Conditions, i, i+1)
		return s
	}
	if !known {
		s.Conditions = slices.Insert(s.Conditions, i, condition)
		return s
	}
	if old := s.Conditions[i]; old.State == condition.State {
		condition.Since = old.Since
	}
	s.Conditions[i] = condition
	return s
}

// oneLine returns err as text that a log, a label and JSON can hold; empty for nil.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	return strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\n", "; "), "\uFFFD")
}

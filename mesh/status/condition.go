package status

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"warren.mesh/internal/excerpt"
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
	// Reason is what the step waits for or fails with, on one line. Of a long one it is the beginning.
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
	s.Conditions = s.Conditions.report(step, err, now)
	return s
}

// Warn returns s with a Warning about a step, or without one if the reason is empty. No step has both a Warning and
// another Condition: it needs a name of its own.
func (s Snapshot) Warn(step Step, reason string, now time.Time) Snapshot {
	s.Conditions = s.Conditions.warn(step, reason, now)
	return s
}

// Conditions are at most one for each step, sorted by step. They are never changed: the methods return others.
type Conditions []Condition

func (all Conditions) report(step Step, err error, now time.Time) Conditions {
	if errors.Is(err, context.Canceled) {
		return all
	}
	condition := Condition{Step: step, State: Failing, Reason: oneLine(err), Since: now}
	if errors.Is(err, mesh.ErrWaiting) {
		condition.State = Waiting
	}
	return all.with(condition)
}

func (all Conditions) warn(step Step, reason string, now time.Time) Conditions {
	return all.with(Condition{Step: step, State: Warning, Reason: excerpt.Of(reason, mostReason), Since: now})
}

// with returns them with the condition in the place of the one that its step has had, or without any if it has no
// reason.
func (all Conditions) with(condition Condition) Conditions {
	i, known := slices.BinarySearchFunc(all, condition.Step, Condition.compareStep)
	if condition.Reason == "" && !known {
		return all
	}
	all = slices.Clone(all)
	switch {
	case condition.Reason == "":
		return slices.Delete(all, i, i+1)
	case !known:
		return slices.Insert(all, i, condition)
	}
	if old := all[i]; old.State == condition.State {
		condition.Since = old.Since
	}
	all[i] = condition
	return all
}

// undone returns them but for warnings.
func (all Conditions) undone() Conditions {
	if !slices.ContainsFunc(all, Condition.warns) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), Condition.warns)
}

func (c Condition) warns() bool { return c.State == Warning }

// mostReason bounds a reason in bytes: it goes to the log, to /readyz and to each report.
const mostReason = 8 << 10

// oneLine returns err as text that a log, a label and JSON can hold; empty for nil.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	text := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\n", "; "), "\uFFFD")
	return excerpt.Of(text, mostReason)
}

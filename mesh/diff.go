package mesh

import "time"

// Diff is what turns have into want.
func Diff(want, have State) Change { return Change{} }

// Empty reports whether the change changes nothing.
func (c Change) Empty() bool { return true }

// WithoutRemovals is the change with only what it adds and replaces.
func (c Change) WithoutRemovals() Change { return c }

// Line is one line for the log: a constant message and slog's alternating keys and values.
type Line struct {
	Message string
	Args    []any
}

// Lines describes the change for the log, one line for each thing that changes.
func (c Change) Lines() []Line { return nil }

// KeepEndpoints is an observed state as Diff should see it.
func (s State) KeepEndpoints(previous State, now time.Time) State { return s }

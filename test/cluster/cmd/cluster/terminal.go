package main

import (
	"context"
	"errors"
	"slices"

	"warren.mesh/test/lab"
)

// terminal is the lab's TB for a person who waits. What fails ends the command.
type terminal struct {
	ctx      context.Context
	failed   bool
	cleanups []func()
}

var _ lab.TB = (*terminal)(nil)

// errFailed is what Fatalf panics with; it has been shown.
var errFailed = errors.New("the cluster could not be started")

// run runs f and then the clean-ups, last first.
func run(ctx context.Context, f func(t *terminal)) error {
	t := &terminal{ctx: ctx}
	t.guard(func() { f(t) })
	for _, cleanup := range slices.Backward(t.cleanups) {
		t.guard(cleanup)
	}
	if t.failed {
		return errFailed
	}
	return nil
}

func (t *terminal) guard(f func()) {
	defer func() {
		if r := recover(); r != nil && r != any(errFailed) {
			panic(r)
		}
	}()
	f()
}

// Helper does nothing: there are no lines of code to point at.
func (t *terminal) Helper() {}

// Name is the command's.
func (t *terminal) Name() string { return "cluster" }

// Context is the command's.
func (t *terminal) Context() context.Context { return t.ctx }

// Cleanup has f called at the end.
func (t *terminal) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// Failed reports whether anything went wrong so far.
func (t *terminal) Failed() bool { return t.failed }

// Logf prints a line of progress.
func (t *terminal) Logf(format string, args ...any) { progress(format, args...) }

// Errorf prints what is wrong.
func (t *terminal) Errorf(format string, args ...any) {
	t.failed = true
	progress("!! "+format, args...)
}

// Fatalf prints what is wrong, and ends the command.
func (t *terminal) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	panic(errFailed)
}

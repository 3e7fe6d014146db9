package main

import (
	"context"
	"errors"
	"slices"

	"warren.mesh/test/lab"
)

// terminal is the lab's TB on a terminal. A failure ends the command.
type terminal struct {
	ctx      context.Context
	failed   bool
	cleanups []func()
}

var _ lab.TB = (*terminal)(nil)

// errFailed is what Fatalf panics with, after it has printed the reason.
var errFailed = errors.New("the cluster could not be started")

// run runs f and then the clean-ups, the last first.
func run(ctx context.Context, f func(t *terminal)) error {
	t := &terminal{ctx: ctx}
	t.try(func() { f(t) })
	for _, cleanup := range slices.Backward(t.cleanups) {
		t.try(cleanup)
	}
	if t.failed {
		return errFailed
	}
	return nil
}

// try calls f and stops a panic of Fatalf.
func (t *terminal) try(f func()) {
	defer func() {
		if r := recover(); r != nil && r != any(errFailed) {
			panic(r)
		}
	}()
	f()
}

// Helper does nothing, because a terminal shows no line numbers.
func (t *terminal) Helper() {}

// Name returns the command's name.
func (t *terminal) Name() string { return "cluster" }

// Context returns the command's context.
func (t *terminal) Context() context.Context { return t.ctx }

// Cleanup registers f to be called at the end.
func (t *terminal) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// Failed reports whether Errorf or Fatalf was called.
func (t *terminal) Failed() bool { return t.failed }

// Logf prints a line of progress.
func (t *terminal) Logf(format string, args ...any) { progress(format, args...) }

// Errorf prints an error.
func (t *terminal) Errorf(format string, args ...any) {
	t.failed = true
	progress("!! "+format, args...)
}

// Fatalf prints an error and ends the command.
func (t *terminal) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	panic(errFailed)
}

package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"warren.mesh/test/lab"
)

// terminal is the lab's TB for a person who watches. Errors are counted and shown; a fatal one ends the run.
type terminal struct {
	ctx      context.Context
	name     string
	out      io.Writer
	errors   int
	cleanups []func()
}

var _ lab.TB = (*terminal)(nil)

// fatal is what Fatalf panics with.
type fatal struct{}

// run runs story and then the clean-ups, last first, and says whether all went well.
func (t *terminal) run(story func(t *terminal)) error {
	t.guard(func() { story(t) })
	for len(t.cleanups) > 0 {
		last := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		t.guard(last)
	}
	if t.errors > 0 {
		return fmt.Errorf("%s: %d things went wrong", t.name, t.errors)
	}
	return nil
}

func (t *terminal) guard(f func()) {
	defer func() {
		if r := recover(); r != nil && r != (fatal{}) {
			panic(r)
		}
	}()
	f()
}

// Helper does nothing: there are no lines of code to point at.
func (t *terminal) Helper() {}

// Name is the lab's.
func (t *terminal) Name() string { return t.name }

// Context is the command's.
func (t *terminal) Context() context.Context { return t.ctx }

// Cleanup has f called at the end.
func (t *terminal) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// Failed reports whether anything went wrong so far.
func (t *terminal) Failed() bool { return t.errors > 0 }

// Logf prints a line of progress.
func (t *terminal) Logf(format string, args ...any) { fmt.Fprintf(t.out, "   "+format+"\n", args...) }

// Errorf prints what is wrong, and goes on.
func (t *terminal) Errorf(format string, args ...any) {
	t.errors++
	fmt.Fprintf(t.out, "!! "+format+"\n", args...)
}

// Fatalf prints what is wrong, and ends the run.
func (t *terminal) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	panic(fatal{})
}

// title begins a part of the story.
func (t *terminal) title(format string, args ...any) {
	fmt.Fprintf(t.out, "\n== "+format+"\n", args...)
}

// show prints a command's output as it is.
func (t *terminal) show(text string) { fmt.Fprintln(t.out, strings.TrimRight(text, "\n")) }

// check prints a line that is right, or wrong with err.
func (t *terminal) check(err error, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	fmt.Fprintf(t.out, "ok %s\n", line)
}

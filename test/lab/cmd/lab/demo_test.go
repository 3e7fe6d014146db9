package main

import (
	"testing"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

// What `make demo` shows, and that all of it is right.
func TestPrivilegedDemo(t *testing.T) {
	meshtest.Privileged(t)
	screen := &terminal{ctx: t.Context(), name: t.Name(), out: t.Output()}
	story := func(t *terminal) { demonstrate(t, lab.Options{Family: lab.Dual}) }
	if err := screen.run(story); err != nil {
		t.Error(err)
	}
}

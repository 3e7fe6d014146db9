package main

import (
	"strings"
	"testing"
)

// `warren version` prints one word.
func TestVersion(t *testing.T) {
	root := newRoot()
	var out strings.Builder
	root.SetOut(&out)
	root.SetArgs([]string{"version"})
	if err := root.Execute(); err != nil || strings.TrimSpace(out.String()) != version() || version() == "" {
		t.Errorf("got %q, %v, want %q", out.String(), err, version())
	}
}

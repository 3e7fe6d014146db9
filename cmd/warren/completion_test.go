package main

import (
	"os/exec"
	"strings"
	"testing"
)

// `warren completion bash` prints a script that bash takes, and that completes warren.
func TestCompletion(t *testing.T) {
	root := newRoot()
	var out strings.Builder
	root.SetOut(&out)
	root.SetArgs([]string{"completion", "bash"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "bash", "-c", out.String()+"\ncomplete -p warren")
	got, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(got), "__start_warren warren") {
		t.Errorf("got %q, %v", got, err)
	}
}

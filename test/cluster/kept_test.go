package cluster_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"warren.mesh/mesh/meshtest"
)

// What `make cluster` starts goes on without it, is reached from outside of the lab, gives way to another, and goes with
// `make cluster-down`.
func TestPrivilegedKept(t *testing.T) {
	meshtest.Privileged(t)
	program := filepath.Join(t.TempDir(), "cluster")
	command(t, "go", "build", "-o", program, "./cmd/cluster")
	name := "--name=kept"
	t.Cleanup(func() { command(t, program, "down", name) })

	var uid [2]string
	for i := range uid {
		var env string
		for line := range strings.Lines(command(t, program, "up", name, "--nodes=1")) {
			if rest, ok := strings.CutPrefix(line, "export "); ok {
				env = rest
			}
		}
		script := strings.TrimSpace(env) + "\n" + "kubectl get node node1 --output=jsonpath='{.metadata.uid} {.status.conditions[?(@.type==\"Ready\")].status}'"
		out := command(t, "sh", "-c", "export "+script)
		var ready string
		uid[i], ready, _ = strings.Cut(out, " ")
		// Not ready, for want of a CNI plugin.
		if ready != "False" {
			t.Errorf("node1 has condition Ready=%q", out)
		}
	}
	if uid[0] == uid[1] {
		t.Errorf("the second is the first: %v", uid)
	}
	if out := command(t, program, "exec", name, "node1", "hostname"); out != "node1\n" {
		t.Errorf("exec says %q", out)
	}
	command(t, program, "down", name)
	if left, err := filepath.Glob("/sys/fs/cgroup/*/warren.kept.*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if out, err := exec.CommandContext(t.Context(), program, "exec", name, "node1", "hostname").CombinedOutput(); err == nil {
		t.Errorf("there still is a node1: %s", out)
	}
}

// command runs a program to its end and returns its standard output.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		var stderr []byte
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			stderr = exit.Stderr
		}
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr)
	}
	return string(out)
}

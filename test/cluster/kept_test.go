package cluster_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"warren.mesh/mesh/meshtest"
)

// What `make cluster` starts goes on without it, is reached from outside of the lab, gives way to another, and goes
// with `make cluster-down`. The commands that it prints install warren, also where the manifests' own pod range does
// not fit.
func TestPrivilegedKept(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel() // it waits for much of its time
	program := filepath.Join(t.TempDir(), "cluster")
	command(t, "go", "build", "-o", program, "./cmd/cluster")
	name := "--name=kept"
	t.Cleanup(func() { command(t, program, "down", name) })

	first := printedCommands(t, command(t, program, "up", name, "--nodes=1"))
	environment, _, _ := strings.Cut(first, "\n")
	firstUID, ready := keptNode(t, environment)
	// Not ready, for want of a CNI plugin.
	if ready != "False" {
		t.Errorf("node1 has condition Ready=%q", ready)
	}

	printed := printedCommands(t, command(t, program, "up", name, "--nodes=1", "--family=dual"))
	command(t, "sh", "-ec", printed)
	secondUID, ready := keptNode(t, environment)
	if ready != "True" {
		t.Errorf("node1 has condition Ready=%q after\n%s", ready, printed)
	}
	if firstUID == secondUID {
		t.Errorf("the second is the first: %v", firstUID)
	}

	if out := command(t, program, "exec", name, "node1", "hostname"); out != "node1\n" {
		t.Errorf("exec says %q", out)
	}
	command(t, program, "down", name)
	if left, err := filepath.Glob("/sys/fs/cgroup/*/warren.kept.*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	gone := exec.CommandContext(t.Context(), program, "exec", name, "node1", "hostname")
	if out, err := gone.CombinedOutput(); err == nil {
		t.Errorf("there still is a node1: %s", out)
	}
}

// printedCommands returns the commands at the end of what `cluster up` prints.
func printedCommands(t *testing.T, output string) string {
	t.Helper()
	_, commands, found := strings.Cut(output, "\nexport ")
	if !found {
		t.Fatalf("no commands in\n%s", output)
	}
	return "export " + commands
}

// keptNode asks kubectl, in the printed environment, for the UID of node1 and the status of its condition Ready.
func keptNode(t *testing.T, environment string) (uid, ready string) {
	t.Helper()
	const path = `{.metadata.uid} {.status.conditions[?(@.type=="Ready")].status}`
	out := command(t, "sh", "-ec", environment+"\nkubectl get node node1 --output=jsonpath='"+path+"'")
	uid, ready, _ = strings.Cut(out, " ")
	return uid, ready
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

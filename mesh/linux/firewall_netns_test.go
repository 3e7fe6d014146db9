package linux

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"sigs.k8s.io/knftables"

	"warren.mesh/mesh/meshtest"
)

// netns is a network namespace that lives as long as the test.
type netns int

// newNetns makes a namespace and leaves the calling goroutine in it. The goroutine stays locked to its thread, which
// therefore ends with the goroutine and takes no other into the namespace. Subtests are other goroutines.
func newNetns(t *testing.T) netns {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return netns(fd)
}

// enter moves the calling goroutine, which has made a namespace, into this one; and onto one CPU, so that packets sent
// one after the other arrive so.
func (n netns) enter(t *testing.T) {
	t.Helper()
	var cpus, first unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		t.Fatal(err)
	}
	for i := range 1024 {
		if cpus.IsSet(i) {
			first.Set(i)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &first); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setns(int(n), unix.CLONE_NEWNET); err != nil {
		t.Fatalf("enter a network namespace: %v", err)
	}
}

// run runs commands, one a line, in the calling thread's namespace.
func run(t *testing.T, commands string) string {
	t.Helper()
	var all strings.Builder
	for line := range strings.Lines(commands) {
		args := strings.Fields(line)
		if len(args) == 0 {
			continue
		}
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.TrimSpace(line), err, out)
		}
		all.Write(out)
	}
	return all.String()
}

// kernelNFT is the real thing, in a namespace of the calling goroutine's own.
func kernelNFT(t *testing.T) knftables.Interface {
	t.Helper()
	meshtest.Privileged(t)
	newNetns(t)
	nft, err := knftables.New(firewallFamily, firewallTable)
	if err != nil {
		t.Fatal(err)
	}
	return nft
}

// run runs commands, formatted with args, in the namespace, where the goroutine stays.
func (n netns) run(t *testing.T, commands string, args ...any) string {
	t.Helper()
	n.enter(t)
	return run(t, fmt.Sprintf(commands, args...))
}

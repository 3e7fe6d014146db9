package namespace

import (
	"os/exec"
	"strings"
)

// TB is what namespaces for tests need of a *testing.T.
type TB interface {
	Helper()
	Cleanup(func())
	// Fatalf does not return.
	Fatalf(format string, args ...any)
}

// New makes a network namespace that is open until the test ends, and leaves the test where it is.
func New(t TB) *Net {
	t.Helper()
	n, err := NewNet()
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// Enter makes a network namespace and moves the calling test into it for good. Subtests are other goroutines and stay
// outside.
func Enter(t TB) *Net {
	t.Helper()
	n := New(t)
	if err := n.Enter(); err != nil {
		t.Fatalf("%v", err)
	}
	return n
}

// Command runs a command in the namespace and returns what it prints; the test ends where it fails.
func (n *Net) Command(t TB, name string, args ...string) string {
	t.Helper()
	var out []byte
	err := n.Do(func() (err error) {
		out, err = exec.Command(name, args...).CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

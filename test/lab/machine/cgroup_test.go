package machine

import (
	"os"
	"path/filepath"
	"testing"
)

// A cgroup goes with those below it, the deepest first.
func TestRemoveCgroup(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	if err := os.MkdirAll(filepath.Join(top, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(top, "c"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := removeCgroup(top); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(top); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// One in use stays, and says so.
func TestRemoveCgroupInUse(t *testing.T) {
	top := t.TempDir()
	if err := os.WriteFile(filepath.Join(top, "task"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeCgroup(top); err == nil {
		t.Error("no error")
	}
}

// A lab's pattern is of no lab whose name begins alike.
func TestCgroup(t *testing.T) {
	for name, want := range map[string]bool{Cgroup("x", "node1"): true, Cgroup("x-y", "node1"): false,
		Cgroup("xy", "node1"): false} {
		if got, err := filepath.Match(Cgroup("x", "*"), name); err != nil || got != want {
			t.Errorf("%s: %t, %v", name, got, err)
		}
	}
}

package namespace_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// interfaces names what the calling thread's network namespace has, but for the loopback.
func interfaces(t *testing.T) string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range all {
		if i.Name != "lo" {
			names = append(names, i.Name)
		}
	}
	return strings.Join(names, " ")
}

// A test that makes a namespace stays outside until it enters one; ip(8) joins two by a path.
func TestPrivilegedNet(t *testing.T) {
	meshtest.Privileged(t)
	before := interfaces(t)
	a, b := namespace.New(t), namespace.New(t)
	a.Command(t, "ip", "link", "add", "to-b", "type", "veth", "peer", "name", "to-a", "netns", b.Path())
	if now := interfaces(t); now != before {
		t.Errorf("the test is among %q, want %q", now, before)
	}
	for _, n := range []struct {
		*namespace.Net
		want string
	}{{a, "to-b"}, {b, "to-a"}} {
		if out := n.Command(t, "ip", "-br", "link"); !strings.Contains(out, n.want+"@") {
			t.Errorf("in the namespace of %s there is %s", n.want, out)
		}
		if err := n.Enter(); err != nil {
			t.Fatal(err)
		}
		if now := interfaces(t); now != n.want {
			t.Errorf("the test is among %q, want %q", now, n.want)
		}
	}
}

// A mounted namespace is kept without a process, at a path that was free.
func TestPrivilegedNetMounts(t *testing.T) {
	meshtest.Privileged(t)
	path := filepath.Join(t.TempDir(), "kept")
	made := namespace.New(t)
	made.Command(t, "ip", "link", "add", "mark", "type", "bridge")
	if err := made.Mount(path); err != nil {
		t.Fatal(err)
	}
	if err := made.Mount(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("mounted over another: %v", err)
	}
	kept, err := namespace.OpenNet(path)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if err := kept.Do(func() error { _, err := net.InterfaceByName("mark"); return err }); err != nil {
		t.Errorf("it is not the same: %v", err)
	}
	for range 2 {
		if err := namespace.UnmountNet(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if _, err := namespace.OpenNet(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened what is not there: %v", err)
	}
}

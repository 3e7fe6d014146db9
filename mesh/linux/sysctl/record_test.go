package sysctl

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

// host returns the parameters of a host that forwards no IPv6 and goes by advertisements on two interfaces.
func host(t *testing.T) (*Sysctls, map[string]string) {
	t.Helper()
	s := &Sysctls{Count: uncounted, Root: t.TempDir(), Record: filepath.Join(t.TempDir(), "run", "sysctls")}
	was := map[string]string{mesh.ForwardIPv6: "0", mesh.AcceptRA("eth0"): "1", mesh.AcceptRA("eth1"): "1"}
	for name, value := range was {
		path := filepath.Join(s.Root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(value+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s, was
}

func (s *Sysctls) now(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{mesh.ForwardIPv6, mesh.AcceptRA("eth0"), mesh.AcceptRA("eth1")} {
		value, err := s.read(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = value
	}
	return all
}

var (
	forward = mesh.Sysctl{Name: mesh.ForwardIPv6, Value: "1"}
	accept  = mesh.Sysctl{Name: mesh.AcceptRA("eth0"), Value: "2"}
)

// What is set is put back, by another process and once: what others have set since stays.
func TestRestore(t *testing.T) {
	s, want := host(t)
	gone := mesh.Sysctl{Name: mesh.AcceptRA("gone"), Value: "2"}
	for range 2 { // The second time notes nothing.
		if err := s.Set([]mesh.Sysctl{gone, accept, forward}); err != nil {
			t.Fatal(err)
		}
	}
	if mine, err := s.forwardsForWarren(); err != nil || !mine {
		t.Errorf("the host forwards for warren: %v, %v", mine, err)
	}
	again := &Sysctls{Count: uncounted, Root: s.Root, Record: s.Record}
	for range 2 {
		if err := again.Restore(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.now(t)); diff != "" {
			t.Errorf("(-before +after)\n%s", diff)
		}
		if err := again.write(mesh.Sysctl{Name: accept.Name, Value: "0"}); err != nil {
			t.Fatal(err)
		}
		want[accept.Name] = "0"
	}
}

// A host without advertisements goes on forwarding, and one that forwarded before is not warren's to change.
func TestRestoreLeavesForwardingOn(t *testing.T) {
	s, want := host(t)
	if err := s.Set([]mesh.Sysctl{forward}); err != nil {
		t.Fatal(err)
	}
	if err := s.Restore(); err != nil {
		t.Fatal(err)
	}
	want[mesh.ForwardIPv6] = "1"
	if diff := cmp.Diff(want, s.now(t)); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
	if mine, err := s.forwardsForWarren(); err != nil || mine {
		t.Errorf("the host forwards for warren: %v, %v", mine, err)
	}
}

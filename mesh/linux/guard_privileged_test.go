package linux

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/routing"
	"warren.mesh/mesh/meshtest"
)

// nftCommand puts a command "nft" in the place of the real one, which it calls; broken lets it fail at once from then
// on, or no longer.
func nftCommand(t *testing.T) (broken func(bool)) {
	t.Helper()
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sign := filepath.Join(dir, "broken")
	script := "#!/bin/sh\n[ ! -e " + sign + " ] || { echo broken >&2; exit 1; }\nexec " + nft + ` "$@"` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "nft"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func(is bool) {
		err := os.Remove(sign)
		if is {
			err = os.WriteFile(sign, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestPrivilegedNoMeshWithoutItsGuard: while no guard can be written, there is nothing that carries traffic, and the
// host does not begin to forward. Behind a guard that is there, others of another version too, repairs go on.
func TestPrivilegedNoMeshWithoutItsGuard(t *testing.T) {
	meshtest.Privileged(t)
	broken := nftCommand(t)
	m := newMachine(t)
	want, before := m.small(), m.observe()
	broken(true)
	err := m.Apply(t.Context(), mesh.Diff(want, before))
	const says = "the mesh waits for its guard: replace nftables table inet warren"
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Fatalf("applied without a guard: %v", err)
	}
	after := before
	after.Routes, after.Rules = unreachableOnly(want.Routes), want.Rules
	have := m.observe()
	if have.Device.PublicKey.IsZero() {
		have.Device = before.Device // A process that has just started takes some port by itself.
	}
	if have.String() != after.String() {
		t.Errorf("without a guard the host has\n%s, want\n%s", have, after)
	}
	broken(false)
	m.complete(want)

	broken(true)
	older := want
	older.Firewall.Mark ^= 3
	run(t, "ip route del "+unicast(t, want.Routes).Destination.String()+" table 8787")
	if err := m.Apply(t.Context(), mesh.Diff(older, m.observe())); err == nil {
		t.Error("the guard was replaced by a command that fails")
	}
	broken(false)
	if left := mesh.Diff(want, m.observe()); !left.Empty() {
		t.Errorf("behind the guard that is there, there is left to do: %v", left.Lines())
	}

	run(t, "nft flush table inet warren\nip route del "+unicast(t, want.Routes).Destination.String()+" table 8787")
	broken(true)
	if err := m.Apply(t.Context(), mesh.Diff(want, m.observe())); err == nil {
		t.Error("the guard was replaced by a command that fails")
	}
	if left := mesh.Diff(want, m.observe()); len(left.Routes.Add) != 1 || left.Firewall == nil {
		t.Errorf("behind a guard that was flushed, there is left to do: %v, want its guard and the route", left.Lines())
	}
	broken(false)
	m.complete(want)
}

// TestPrivilegedOlderGuardTakesNodes: a guard that is not as this version makes it, and that nft cannot replace, gets
// the addresses of nodes that come, and loses those of nodes that go.
func TestPrivilegedOlderGuardTakesNodes(t *testing.T) {
	meshtest.Privileged(t)
	broken := nftCommand(t)
	m := newMachine(t)
	want := m.small()
	m.complete(want)
	run(t, "nft add counter inet warren older")
	gone := want.Firewall.NodeIPs[0]
	next := want
	come := []netip.Addr{netip.MustParseAddr("203.0.113.99"), netip.MustParseAddr("2001:db8::99")}
	next.Firewall.NodeIPs = slices.Concat(want.Firewall.NodeIPs[1:], come)
	next.Sort()
	broken(true)
	if err := m.Apply(t.Context(), mesh.Diff(next, m.observe())); err == nil {
		t.Error("the guard was replaced by a command that fails")
	}
	broken(false)
	run(t, "nft delete counter inet warren older")
	have := m.observe().Firewall.NodeIPs
	if diff := cmp.Diff(next.Firewall.NodeIPs, have, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("node addresses, of which %v is gone (-want +got):\n%s", gone, diff)
	}
}

// unicast returns one of the routes to pods of other nodes.
func unicast(t *testing.T, routes []mesh.Route) mesh.Route {
	t.Helper()
	for _, r := range routes {
		if routing.Unicast(r) && r.Table == mesh.TablePods && r.Destination.Addr().Is4() {
			return r
		}
	}
	t.Fatalf("no route to pods among %v", routes)
	return mesh.Route{}
}

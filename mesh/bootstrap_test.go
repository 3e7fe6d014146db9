package mesh_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"warren.mesh/mesh"
)

var equateEmpty = cmpopts.EquateEmpty()

func TestBootstrap(t *testing.T) {
	cfg := config("10.244.0.0/16", "fd00:10:244::/48")
	cfg.NodeCIDRs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	const want = `route unreachable 10.244.0.0/16 metric 4294967295
route unreachable fd00:10:244::/48 metric 4294967295
route unreachable 10.244.0.0/16 table 8787 metric 4294967295
route unreachable fd00:10:244::/48 table 8787 metric 4294967295
route unreachable 192.0.2.0/24 table 8788 metric 4294967295
`
	const guard = `firewall link warren0 bridge warren-br0 port 51820 mark 0x800000
firewall cluster-cidrs 10.244.0.0/16,fd00:10:244::/48
firewall node-cidrs 192.0.2.0/24
`
	if diff := cmp.Diff(want, mesh.Bootstrap(cfg, mesh.Observation{Guarded: true}).String()); diff != "" {
		t.Errorf("Bootstrap (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want+guard, mesh.Bootstrap(cfg, mesh.Observation{}).String()); diff != "" {
		t.Errorf("Bootstrap without a guard (-want +got):\n%s", diff)
	}
	if got := mesh.Bootstrap(config(), mesh.Observation{}).String(); got != "" {
		t.Errorf("Bootstrap without CIDRs = %s, want nothing", got)
	}
}

// TestBootstrapKeepsWhatRuns: the daemon was restarted, and knows no node yet.
func TestBootstrapKeepsWhatRuns(t *testing.T) {
	cfg := config("10.0.0.0/8", "fd00:10:244::/48")
	running := desired(t, cfg, number(1), numbers(10))
	guarded := mesh.Observation{State: running, Guarded: true}
	if c := mesh.Diff(mesh.Bootstrap(cfg, guarded), running).WithoutRemovals(); !c.Empty() {
		t.Errorf("a running host is changed:\n%s", text(c.Lines()))
	}
	bootstrap := mesh.Bootstrap(cfg, mesh.Observation{})
	fresh := mesh.Diff(bootstrap, mesh.State{}).WithoutRemovals()
	if diff := cmp.Diff(bootstrap.String(), mesh.State{}.Apply(fresh).String()); diff != "" {
		t.Errorf("fresh host (-want +got):\n%s", diff)
	}
}

// TestBootstrapGuardsWhatRuns: somebody has flushed the ruleset of a host whose daemon knows no node yet. Of the guard
// that it had, it gets back all but its own addresses, and nothing else changes.
func TestBootstrapGuardsWhatRuns(t *testing.T) {
	cfg := config("10.0.0.0/8", "fd00:10:244::/48")
	running := desired(t, cfg, number(1), numbers(10))
	running.Bridge.Addresses = append(running.Bridge.Addresses, netip.MustParsePrefix("192.168.1.1/24"))
	flushed := running
	flushed.Firewall = mesh.Firewall{}
	change := mesh.Diff(mesh.Bootstrap(cfg, mesh.Observation{State: flushed}), flushed).WithoutRemovals()
	want := running
	want.Firewall.OwnIPs = nil
	want.Firewall.NodeIPs = slices.DeleteFunc(slices.Clone(want.Firewall.NodeIPs), func(ip netip.Addr) bool {
		return slices.Contains(running.Firewall.OwnIPs, ip)
	})
	if diff := cmp.Diff(want.String(), flushed.Apply(change).String()); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

// TestWithoutRemovals: five nodes went, one came.
func TestWithoutRemovals(t *testing.T) {
	cfg := config("10.0.0.0/8", "fd00:10:244::/48")
	have := desired(t, cfg, number(1), numbers(10))
	want := desired(t, cfg, number(1), append(numbers(5), number(20)))
	all := desired(t, cfg, number(1), append(numbers(10), number(20)))
	if diff := cmp.Diff(all, have.Apply(mesh.Diff(want, have).WithoutRemovals()), compareNetip); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

package mesh_test

import (
	"net/netip"
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
	if diff := cmp.Diff(want, mesh.Bootstrap(cfg).String()); diff != "" {
		t.Errorf("Bootstrap (-want +got):\n%s", diff)
	}
	if got := mesh.Bootstrap(config()).String(); got != "" {
		t.Errorf("Bootstrap without CIDRs = %s, want nothing", got)
	}
}

// TestBootstrapKeepsWhatRuns: the daemon was restarted, and knows no node yet.
func TestBootstrapKeepsWhatRuns(t *testing.T) {
	cfg := config("10.0.0.0/8", "fd00:10:244::/48")
	running := desired(t, cfg, number(1), numbers(10))
	if c := mesh.Diff(mesh.Bootstrap(cfg), running).WithoutRemovals(); !c.Empty() {
		t.Errorf("a running host is changed:\n%s", text(c.Lines()))
	}
	fresh := mesh.Diff(mesh.Bootstrap(cfg), mesh.State{}).WithoutRemovals()
	if diff := cmp.Diff(mesh.Bootstrap(cfg).String(), mesh.State{}.Apply(fresh).String()); diff != "" {
		t.Errorf("fresh host (-want +got):\n%s", diff)
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

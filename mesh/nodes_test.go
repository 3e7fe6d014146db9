package mesh_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"warren.mesh/mesh"
)

// The nodes of a mesh have the addresses that it lets them have: not another node's, and none outside the node CIDRs.
func TestStateNodes(t *testing.T) {
	cfg := config("10.0.0.0/8", "fd00:10:244::/48")
	elder, younger := number(2), number(3)
	for _, ip := range elder.NodeIPs {
		cfg.NodeCIDRs = append(cfg.NodeCIDRs, netip.PrefixFrom(ip, ip.BitLen()-16).Masked())
	}
	want := []mesh.Node{}
	for _, n := range []mesh.Node{number(1), elder, younger} {
		want = append(want, mesh.Node{Name: n.Name, PublicKey: n.PublicKey, PodCIDRs: n.PodCIDRs, NodeIPs: n.NodeIPs})
	}
	outside := netip.MustParseAddr("198.51.100.9")
	younger.NodeIPs = append(append(younger.NodeIPs, outside), elder.NodeIPs...)
	state := desired(t, cfg, number(1), []mesh.Node{younger, elder, number(1)})
	got := state.Nodes("n1")
	byName := cmpopts.SortSlices(func(a, b mesh.Node) bool { return a.Name < b.Name })
	if diff := cmp.Diff(want, got, compareNetip, byName); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range state.Peers {
		state.Peers[i].Node = "" // as found on a host
	}
	if got := state.Nodes("n1"); len(got) != 3 || got[0].Name != "n1" || got[1].Name+got[2].Name != "" {
		t.Errorf("%v", got)
	}
	if got := (mesh.State{}).Nodes("n1"); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

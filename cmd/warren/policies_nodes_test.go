package main

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/enforce"
)

// Policies go by the nodes that the mesh goes by, and know none before it has decided.
func TestPoliciesGoByTheMesh(t *testing.T) {
	p := &policies{enforcer: enforce.New(enforce.Config{})}
	cfg := p.config(true, agent.Config{})
	if nodes := p.cluster.Nodes(); nodes != nil {
		t.Errorf("before: %v", nodes)
	}
	want := []mesh.Node{{Name: "a", PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")}}}
	cfg.Nodes(want)
	same := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(want, p.cluster.Nodes(), same); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if off := p.config(false, agent.Config{}); off.Nodes != nil {
		t.Error("a node that keeps no policies tells of its nodes")
	}
}

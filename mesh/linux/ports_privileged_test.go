package linux_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/linux"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

func TestPrivilegedBridgePorts(t *testing.T) {
	meshtest.Privileged(t)
	net := namespace.Enter(t)
	for _, command := range [][]string{
		{"link", "add", "br0", "type", "bridge"}, {"link", "add", "br1", "type", "bridge"},
		{"link", "add", "p1", "master", "br0", "type", "veth", "peer", "name", "p3"},
		{"link", "add", "p2", "master", "br1", "type", "veth", "peer", "name", "p4"},
	} {
		net.Command(t, "ip", command...)
	}
	for bridge, want := range map[string][]string{"br0": {"p1"}, "br1": {"p2"}, "none": nil} {
		got, err := linux.BridgePorts(bridge)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", bridge, err, diff)
		}
	}
}

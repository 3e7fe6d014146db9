package meshtest

import (
	"fmt"
	"net/netip"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// clusterCIDRs are the cluster CIDRs of the contract's meshes.
var clusterCIDRs = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:10:244::/48")}

// self returns the own node, with the i-th pod CIDRs.
func (c *contract) self(i int) mesh.Self {
	n := member(i)
	return mesh.Self{Name: "self", UID: "0", PodCIDRs: n.PodCIDRs, NodeIPs: UnderlayIPs, PublicKey: c.Key}
}

// members returns n other nodes.
func members(n int) []mesh.Node {
	nodes := make([]mesh.Node, n)
	for i := range nodes {
		nodes[i] = member(i + 2)
	}
	return nodes
}

// member returns the i-th node of a dual-stack mesh, i from 1 to 250.
func member(i int) mesh.Node {
	v4, v6 := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i))
	return mesh.Node{
		Name:      fmt.Sprintf("n%d", i),
		UID:       fmt.Sprint(i),
		Created:   time.Unix(int64(i), 0),
		PublicKey: keys.Public{1, byte(i)},
		Endpoints: []netip.AddrPort{netip.AddrPortFrom(v4, 51820), netip.AddrPortFrom(v6, 51820)},
		PodCIDRs: []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", i)),
			netip.MustParsePrefix(fmt.Sprintf("fd00:10:244:%x::/64", i)),
		},
		NodeIPs: []netip.Addr{v4, v6},
	}
}

// desired returns what a host in the mesh of these other nodes should look like, with the first pod CIDRs.
func (c *contract) desired(nodes ...mesh.Node) mesh.State { return c.desiredOf(c.self(1), nodes) }

func (c *contract) desiredOf(self mesh.Self, nodes []mesh.Node) mesh.State {
	c.t.Helper()
	cfg := c.Config
	cfg.ClusterCIDRs, cfg.MTU = clusterCIDRs, 1320
	state, problems, err := mesh.Desired(cfg, self, nodes)
	if err != nil || len(problems) > 0 {
		c.t.Fatal(err, problems)
	}
	return state
}

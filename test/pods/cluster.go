// Package pods makes the nodes of a cluster, with pods on their bridges, in network namespaces, and puts warren's two
// tables between pods in force there: for tests and benchmarks of what those let through and what they cost. There is
// no daemon, no API server and no mesh: nodes reach each other by plain routes.
package pods

import (
	"fmt"
	"net/netip"
	"os"
	"testing"

	"warren.mesh/mesh/linux/walls"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/policy"
	"warren.mesh/test/lab/namespace"
)

// bridge is the name of each node's bridge, and bridgeMAC its hardware address, the same on all nodes.
const bridge = "warren-br0"

var bridgeMAC = [6]byte{2, 0, 0, 0, 0, 1}

// Cluster is its nodes and what lies outside. Make one with New.
type Cluster struct {
	// Namespaces and Policies are the cluster's. Tables follow from them when Sync is called.
	Namespaces []policy.Namespace
	Policies   []policy.Policy
	// Nodes are node1, node2 and so on.
	Nodes []*Node
	// Outside is a machine that has the addresses given to AddOutside, and the network of the nodes.
	Outside *namespace.Net

	t testing.TB
}

// Node is a network namespace with a bridge for pods.
type Node struct {
	policy.Node
	Net *namespace.Net
	// Walls are its tables; use them in Net.
	Walls *walls.Walls
	// Pods are in the order in which they were added.
	Pods []*Pod

	cluster *Cluster
	number  int
}

// New makes a cluster of so many nodes, which end with the test. No table is in force yet.
func New(t testing.TB, nodes int) *Cluster {
	t.Helper()
	meshtest.Privileged(t)
	c := &Cluster{t: t, Outside: namespace.New(t)}
	c.in(c.Outside, `ip link add lan type bridge
ip link set lan up
ip address add 192.0.2.254/24 dev lan
ip address add fd00:c0::fe/64 dev lan nodad`)
	for i := range nodes {
		c.Nodes = append(c.Nodes, c.newNode(i+1))
	}
	for _, n := range c.Nodes {
		for _, other := range c.Nodes {
			if n != other {
				n.routeTo(other)
			}
		}
	}
	return c
}

func (c *Cluster) newNode(number int) *Node {
	c.t.Helper()
	n := &Node{Node: nodeOf(number), Net: namespace.New(c.t), cluster: c, number: number}
	c.in(n.Net, fmt.Sprintf(`ip link add warren-br0 address 02:00:00:00:00:01 type bridge
ip link set warren-br0 up
ip address add %v/24 dev warren-br0
ip address add %v/64 dev warren-br0 nodad
ip link add eth0 type veth peer name node%d netns %s
ip link set eth0 up
ip address add %v/24 dev eth0
ip address add %v/64 dev eth0 nodad
ip route add default via 192.0.2.254
ip route add default via fd00:c0::fe`, n.Gateways[0], n.Gateways[1], number, c.Outside.Path(), n.InternalIPs[0],
		n.InternalIPs[1]))
	c.in(c.Outside, fmt.Sprintf(`ip link set node%d master lan up
ip route add %v via %v
ip route add %v via %v`, number, n.PodCIDRs[0], n.InternalIPs[0], n.PodCIDRs[1], n.InternalIPs[1]))
	n.do(func() (err error) {
		n.Walls, err = walls.Open(bridge, func(string) {})
		return err
	})
	n.BridgeNetfilter(false)
	return n
}

// nodeOf is the node of that number.
func nodeOf(number int) policy.Node {
	cidrs := []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", number)),
		netip.MustParsePrefix(fmt.Sprintf("fd00:10:244:%x::/64", number)),
	}
	return policy.Node{
		Name: fmt.Sprint("node", number), PodCIDRs: cidrs,
		Gateways: []netip.Addr{cidrs[0].Addr().Next(), cidrs[1].Addr().Next()},
		InternalIPs: []netip.Addr{
			netip.MustParseAddr(fmt.Sprint("192.0.2.", number)),
			netip.MustParseAddr(fmt.Sprintf("fd00:c0::%x", number)),
		},
	}
}

// routeTo has what goes to another node's pods come from the node's gateway, as the mesh does.
func (n *Node) routeTo(other *Node) {
	n.cluster.t.Helper()
	for i, cidr := range other.PodCIDRs {
		n.Net.Command(n.cluster.t, "ip", "route", "add", cidr.String(), "via", other.InternalIPs[i].String(), "src",
			n.Gateways[i].String())
	}
}

// AddOutside gives the machine outside an address.
func (c *Cluster) AddOutside(addr netip.Addr) {
	c.t.Helper()
	c.Outside.Command(c.t, "ip", "address", "add", netip.PrefixFrom(addr, addr.BitLen()).String(), "dev", "lo")
}

// BridgeNetfilter turns br_netfilter's hooks on or off.
func (n *Node) BridgeNetfilter(on bool) {
	n.cluster.t.Helper()
	value := map[bool]string{true: "1", false: "0"}[on]
	n.do(func() error {
		for _, file := range []string{"iptables", "ip6tables"} {
			path := "/proc/sys/net/bridge/bridge-nf-call-" + file
			if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}

// in runs commands in a namespace in which nothing delays packets.
func (c *Cluster) in(where *namespace.Net, commands string) {
	c.t.Helper()
	err := where.Do(func() error {
		namespace.Quiet(c.t)
		namespace.Run(c.t, commands)
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// do runs f in the node's namespace; the test ends if it fails.
func (n *Node) do(f func() error) {
	n.cluster.t.Helper()
	if err := n.Net.Do(f); err != nil {
		n.cluster.t.Fatalf("%s: %v", n.Name, err)
	}
}

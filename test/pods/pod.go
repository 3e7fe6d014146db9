package pods

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/ports"
	"warren.mesh/test/lab/namespace"
)

// Pod is a network namespace behind a port of its node's bridge.
type Pod struct {
	policy.Pod
	Net *namespace.Net

	port ports.Port
}

// Add attaches pods to the node, as the CNI plugins do, and waits until the bridge forwards to them. Their namespaces
// and names have to be set, and may be followed by labels and named ports. The tables know nothing of them before Sync.
func (n *Node) Add(all ...policy.Pod) (added []*Pod) {
	n.cluster.t.Helper()
	for _, p := range all {
		added = append(added, n.add(p))
	}
	for _, p := range added {
		n.forwards(p.port.Interface)
	}
	return added
}

func (n *Node) add(pod policy.Pod) *Pod {
	n.cluster.t.Helper()
	p := n.newPod(pod)
	p.Net = namespace.New(n.cluster.t)
	n.Pods = append(n.Pods, p)
	// Hairpin, as the configuration of the CNI plugin has it.
	n.do(func() error {
		namespace.Run(n.cluster.t, fmt.Sprintf(`ip link add %[1]s type veth peer name eth0 netns %[2]s
ip link set %[1]s up master %[3]s
ip link set %[1]s type bridge_slave hairpin on`, p.port.Interface, p.Net.Path(), bridge))
		return nil
	})
	n.cluster.in(p.Net, fmt.Sprintf(`sysctl -q net.ipv6.conf.all.forwarding=0
ip link set eth0 address %s
ip link set eth0 up
ip address add %v/24 dev eth0
ip address add %v/64 dev eth0 nodad
ip route add default via %v
ip route add default via %v`, net.HardwareAddr(p.port.MAC[:]), p.Addrs[0], p.Addrs[1], n.Gateways[0], n.Gateways[1]))
	return p
}

// newPod gives the pod what its place on the node decides.
func (n *Node) newPod(pod policy.Pod) *Pod {
	number := 2 + len(n.Pods)
	p := &Pod{Pod: pod}
	p.UID, p.Node = fmt.Sprintf("%s-%d", n.Name, number), n.Name
	for _, cidr := range n.PodCIDRs {
		bytes := cidr.Addr().AsSlice()
		bytes[len(bytes)-1] = byte(number)
		addr, _ := netip.AddrFromSlice(bytes)
		p.Addrs = append(p.Addrs, addr)
	}
	p.port = ports.Port{
		Interface: fmt.Sprint("veth", number), MAC: [6]byte{2, 0, 0, 0, byte(n.number), byte(number)}, Addrs: p.Addrs,
	}
	return p
}

// forwards waits for the bridge, which hears of a port's carrier up to a second later.
func (n *Node) forwards(port string) {
	n.cluster.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		shown := n.Net.Command(n.cluster.t, "ip", "-d", "link", "show", "dev", port)
		if strings.Contains(shown, "state forwarding") {
			return
		}
		if time.Now().After(deadline) {
			n.cluster.t.Fatalf("port %s of %s does not forward: %s", port, n.Name, shown)
		}
	}
}

// Addr is the pod's address of the family of like.
func (p *Pod) Addr(like netip.Addr) netip.Addr {
	if like.Is4() {
		return p.Addrs[0]
	}
	return p.Addrs[1]
}

// Sync makes the tables of all nodes as the cluster has them, and returns what cannot be kept.
func (c *Cluster) Sync() (problems []policy.Problem) {
	c.t.Helper()
	for _, n := range c.Nodes {
		state, found := policy.Compile(c.InputOf(n))
		problems = append(problems, found...)
		n.do(func() error {
			layout := ports.Layout(ports.Bridge{Name: bridge, MAC: bridgeMAC}, n.Ports())
			_, err := n.Walls.SyncTables(c.t.Context(), layout, state.Table)
			return err
		})
	}
	return problems
}

// InputOf is what decides on a node.
func (c *Cluster) InputOf(n *Node) policy.Input {
	in := policy.Input{Self: n.Name, Namespaces: c.Namespaces, Policies: c.Policies}
	for _, other := range c.Nodes {
		in.Nodes = append(in.Nodes, other.Node)
		for _, p := range other.Pods {
			in.Pods = append(in.Pods, p.Pod)
		}
	}
	for _, p := range n.Pods {
		in.Attached = append(in.Attached,
			policy.Attached{Namespace: p.Namespace, Name: p.Name, UID: p.UID, Addrs: p.Addrs})
	}
	return in
}

// Ports are the node's ports of the bridge, with the pods behind them.
func (n *Node) Ports() (all []ports.Port) {
	for _, p := range n.Pods {
		all = append(all, p.port)
	}
	return all
}

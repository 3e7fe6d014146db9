package cyclonus

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	"warren.mesh/mesh/policy"
)

// pod is a pod with its labels, which policy.Labels does not list.
type pod struct {
	policy.Pod
	labels map[string]string
}

// cluster is a random one: two nodes, three namespaces, a dozen pods.
type cluster struct {
	*rand.Rand
	nodes      []policy.Node
	namespaces map[string]map[string]string
	pods       []pod
	policies   []policy.Policy
}

func newCluster(seed uint64) *cluster {
	c := &cluster{Rand: rand.New(rand.NewPCG(seed, 1)), namespaces: map[string]map[string]string{}}
	for n := range 2 {
		c.nodes = append(c.nodes, policy.Node{
			Name:        fmt.Sprintf("node%d", n),
			InternalIPs: []netip.Addr{address("192.0.2.%d", n+1), address("2001:db8::%d", n+1)},
			Gateways:    []netip.Addr{address("10.244.%d.1", n), address("fd00:10:244:%d::1", n)},
			PodCIDRs: []netip.Prefix{
				netip.PrefixFrom(address("10.244.%d.0", n), 24), netip.PrefixFrom(address("fd00:10:244:%d::", n), 64),
			},
		})
	}
	for _, name := range []string{"x", "y", "z"} {
		c.namespaces[name] = c.labels()
	}
	for i := range 12 {
		c.addPod(i)
	}
	for i := range c.IntN(6) {
		c.policies = append(c.policies, c.policy(i))
	}
	return c
}

func address(format string, n int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf(format, n)) }

func (c *cluster) one(of ...string) string { return of[c.IntN(len(of))] }

// labels always have "tier": see TestKnownDifferences for NotIn of a label that is missing.
func (c *cluster) labels() map[string]string {
	labels := map[string]string{"tier": c.one("a", "b", "c", "")}
	if c.IntN(3) > 0 {
		labels["app"] = c.one("a", "b", "")
	}
	return labels
}

func (c *cluster) addPod(i int) {
	node := i % 2
	p := pod{labels: c.labels(), Pod: policy.Pod{
		Namespace: c.one("x", "y", "z"), Name: fmt.Sprintf("pod%d", i), UID: "1", Node: c.nodes[node].Name,
		Addrs: []netip.Addr{
			address(fmt.Sprintf("10.244.%d.%%d", node), i+2), address(fmt.Sprintf("fd00:10:244:%d::%%d", node), i+2),
		},
	}}
	p.Labels = policy.NewLabels(p.labels)
	for range c.IntN(4) {
		p.Ports = append(p.Ports, policy.NamedPort{
			Name: c.one("web", "dns"), Protocol: c.protocol(), Number: uint16(80 + c.IntN(4)),
		})
	}
	c.pods = append(c.pods, p)
}

func (c *cluster) protocol() policy.Protocol { return policy.Protocol(c.one("tcp", "udp", "sctp")) }

func (c *cluster) selector() *policy.Selector {
	s := &policy.Selector{}
	for range c.IntN(3) {
		r := policy.Requirement{
			Key:      c.one("app", "tier"),
			Operator: policy.Operator(c.one("In", "Exists", "DoesNotExist")),
		}
		if c.IntN(3) == 0 {
			r = policy.Requirement{Key: "tier", Operator: policy.NotIn}
		}
		if r.Operator == policy.In || r.Operator == policy.NotIn {
			for range 1 + c.IntN(2) {
				r.Values = append(r.Values, c.one("a", "b", ""))
			}
		}
		s.Requirements = append(s.Requirements, r)
	}
	return s
}

func (c *cluster) policy(i int) policy.Policy {
	p := policy.Policy{
		Namespace: c.one("x", "y", "z"), Name: fmt.Sprintf("policy%d", i), Pods: *c.selector(),
		IsolatesIngress: true, IsolatesEgress: c.IntN(2) == 0,
	}
	p.IsolatesIngress = !p.IsolatesEgress || c.IntN(2) == 0
	for range c.IntN(4) {
		p.Ingress = append(p.Ingress, c.rule())
	}
	for range c.IntN(4) {
		p.Egress = append(p.Egress, c.rule())
	}
	return p
}

func (c *cluster) rule() (r policy.Rule) {
	for range c.IntN(3) {
		r.Peers = append(r.Peers, c.peer())
	}
	for range c.IntN(3) {
		r.Ports = append(r.Ports, c.port())
	}
	r.AllPeers, r.AllPorts = r.Peers == nil, r.Ports == nil
	return r
}

func (c *cluster) peer() policy.Peer {
	switch c.IntN(5) {
	case 0:
		return policy.Peer{Pods: c.selector()}
	case 1:
		return policy.Peer{Namespaces: c.selector()}
	case 2:
		return policy.Peer{Namespaces: &policy.Selector{}, Pods: c.selector()}
	case 3:
		return policy.Peer{Pods: c.selector(), Namespaces: c.selector()}
	}
	b := &policy.Block{CIDR: c.cidr()}
	for range c.IntN(3) {
		b.Except = append(b.Except, c.cidr())
	}
	return policy.Peer{Block: b}
}

func (c *cluster) cidr() netip.Prefix {
	ip := c.address(c.IntN(2) == 0)
	prefix := netip.PrefixFrom(ip, ip.BitLen()-[]int{0, 1, 2, 4, 8, 16, 32}[c.IntN(7)])
	return prefix.Masked()
}

func (c *cluster) port() policy.Port {
	p := policy.Port{Protocol: c.protocol()}
	switch c.IntN(4) {
	case 0:
		p.Number = uint16(80 + c.IntN(4))
	case 1:
		p.Number = uint16(80 + c.IntN(3))
		p.End = p.Number + uint16(c.IntN(3))
	case 2:
		p.Name = c.one("web", "dns", "other")
	}
	return p
}

// address is a pod's, a node's or one of the outside.
func (c *cluster) address(v4 bool) netip.Addr {
	family := map[bool]int{true: 0, false: 1}[v4]
	switch c.IntN(8) {
	case 0:
		return c.nodes[c.IntN(2)].InternalIPs[family]
	case 1:
		return []netip.Addr{address("198.51.100.%d", c.IntN(4)), address("2001:db8:1::%d", c.IntN(4))}[family]
	default:
		return c.pods[c.IntN(len(c.pods))].Addrs[family]
	}
}

// input is what a node knows.
func (c *cluster) input(node string) policy.Input {
	in := policy.Input{Self: node, Nodes: c.nodes, Policies: c.policies}
	for name, labels := range c.namespaces {
		in.Namespaces = append(in.Namespaces, policy.Namespace{Name: name, Labels: policy.NewLabels(labels)})
	}
	for _, p := range c.pods {
		in.Pods = append(in.Pods, p.Pod)
		if p.Node == node {
			a := policy.Attached{Namespace: p.Namespace, Name: p.Name, UID: p.UID, Addrs: p.Addrs}
			in.Attached = append(in.Attached, a)
		}
	}
	return in
}

package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// dice draws small clusters, of which the parts often meet.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0))} }

func (d dice) one(of ...string) string { return of[d.IntN(len(of))] }

func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

func (d dice) namespaceName() string { return d.one("x", "y", "z") }

func (d dice) labels() Labels {
	labels := map[string]string{}
	for _, key := range []string{"app", "tier"} {
		if d.chance(70) {
			labels[key] = d.one("a", "b", "")
		}
	}
	return NewLabels(labels)
}

func (d dice) namespace() Namespace { return Namespace{d.namespaceName(), d.labels()} }

// node n has 10.244.n.0/24 and its like, and now and then what others have.
func (d dice) node() Node {
	n := d.IntN(3)
	cidr := n
	if d.chance(10) {
		cidr = d.IntN(4)
	}
	node := Node{
		Name:        fmt.Sprintf("node%d", n),
		InternalIPs: []netip.Addr{d.nodeIP(n, true), d.nodeIP(n, false)},
		Gateways:    []netip.Addr{podIP(cidr, 1, true), podIP(cidr, 1, false)},
		PodCIDRs: []netip.Prefix{
			netip.PrefixFrom(podIP(cidr, 0, true), 24), netip.PrefixFrom(podIP(cidr, 0, false), 64),
		},
	}
	if d.chance(10) {
		node.PodCIDRs[0] = netip.MustParsePrefix("10.244.0.0/22")
	}
	return node
}

func (d dice) nodeIP(n int, v4 bool) netip.Addr {
	if d.chance(10) {
		n = d.IntN(5)
	}
	if v4 {
		return netip.AddrFrom4([4]byte{192, 0, 2, byte(n + 1)})
	}
	return netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", n+1))
}

func podIP(node, n int, v4 bool) netip.Addr {
	if v4 {
		return netip.AddrFrom4([4]byte{10, 244, byte(node), byte(n)})
	}
	return netip.MustParseAddr(fmt.Sprintf("fd00:10:244:%d::%d", node, n))
}

func (d dice) addresses(node int) (all []netip.Addr) {
	if d.chance(10) {
		node = d.IntN(4)
	}
	for _, v4 := range []bool{true, false} {
		if d.chance(85) {
			all = append(all, podIP(node, 2+d.IntN(5), v4))
		}
	}
	return all
}

func (d dice) podName() string { return d.one("p", "q", "r", "s") }

func (d dice) uid() string { return d.one("1", "1", "1", "2") }

// pod runs on node0, which is this one, or on another.
func (d dice) pod() Pod {
	n := d.IntN(3)
	p := Pod{
		Namespace: d.namespaceName(), Name: d.podName(), UID: d.uid(), Node: fmt.Sprintf("node%d", n),
		Labels: d.labels(), Addrs: d.addresses(n),
	}
	for range d.IntN(3) {
		p.Ports = append(p.Ports, NamedPort{d.one("web", "dns"), Protocol(d.one("tcp", "udp")), uint16(80 + d.IntN(3))})
	}
	return p
}

func (d dice) attached() Attached {
	uid := d.uid()
	if d.chance(10) {
		uid = ""
	}
	return Attached{Namespace: d.namespaceName(), Name: d.podName(), UID: uid, Addrs: d.addresses(0)}
}

func (d dice) selector() Selector {
	var s Selector
	for range d.IntN(3) {
		r := Requirement{
			Key:      d.one("app", "tier"),
			Operator: Operator(d.one("In", "In", "NotIn", "Exists", "DoesNotExist")),
		}
		if r.Operator == In || r.Operator == NotIn {
			for range 1 + d.IntN(2) {
				r.Values = append(r.Values, d.one("a", "b", ""))
			}
		}
		if d.chance(2) {
			r.Operator = "Like"
		}
		s.Requirements = append(s.Requirements, r)
	}
	return s
}

func (d dice) policy() Policy {
	p := Policy{
		Namespace: d.namespaceName(), Name: d.one("one", "two", "three"), Pods: d.selector(),
		IsolatesIngress: d.chance(70), IsolatesEgress: d.chance(60),
	}
	for range d.IntN(3) {
		p.Ingress = append(p.Ingress, d.rule())
	}
	for range d.IntN(3) {
		p.Egress = append(p.Egress, d.rule())
	}
	return p
}

func (d dice) rule() Rule {
	r := Rule{AllPeers: d.chance(20), AllPorts: d.chance(40)}
	for range d.IntN(3) {
		if !r.AllPeers {
			r.Peers = append(r.Peers, d.peer())
		}
		if !r.AllPorts {
			r.Ports = append(r.Ports, d.port())
		}
	}
	return r
}

func (d dice) peer() Peer {
	pods, namespaces := d.selector(), d.selector()
	switch d.IntN(5) {
	case 0:
		return Peer{Pods: &pods}
	case 1:
		return Peer{Namespaces: &namespaces}
	case 2:
		return Peer{Namespaces: &Selector{}}
	case 3:
		return Peer{Pods: &pods, Namespaces: &namespaces}
	}
	b := Block{CIDR: d.cidr()}
	for range d.IntN(3) {
		b.Except = append(b.Except, d.cidr())
	}
	if d.chance(30) {
		b = d.respelled(b)
	}
	return Peer{Block: &b}
}

// respelled returns a block of the same addresses: of the prefix twice as large without its other half, or with an
// exception in two halves.
func (d dice) respelled(b Block) Block {
	if i := len(b.Except) - 1; i >= 0 {
		if e := b.Except[i].Masked(); e.IsValid() && !e.IsSingleIP() {
			half := netip.PrefixFrom(e.Addr(), e.Bits()+1)
			b.Except = append(slices.Clone(b.Except[:i]), otherHalf(half), half)
		}
		return b
	}
	if c := b.CIDR.Masked(); c.IsValid() && c.Bits() > 0 {
		b = Block{CIDR: netip.PrefixFrom(c.Addr(), c.Bits()-1), Except: []netip.Prefix{otherHalf(c)}}
	}
	return b
}

// otherHalf returns what is left of the prefix twice as large.
func otherHalf(p netip.Prefix) netip.Prefix {
	bytes := p.Addr().AsSlice()
	bytes[(p.Bits()-1)/8] ^= 0x80 >> ((p.Bits() - 1) % 8)
	ip, _ := netip.AddrFromSlice(bytes)
	return netip.PrefixFrom(ip, p.Bits())
}

func (d dice) cidr() netip.Prefix {
	ip := d.address(d.chance(60))
	if d.chance(2) {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(ip, ip.BitLen()-[]int{0, 1, 2, 8, 9, 16, 24, 32}[d.IntN(8)])
}

// address is anybody's.
func (d dice) address(v4 bool) netip.Addr {
	switch d.IntN(8) {
	case 0:
		return d.nodeIP(d.IntN(3), v4)
	case 1:
		return podIP(d.IntN(3), 1, v4)
	case 2:
		if v4 {
			return netip.AddrFrom4([4]byte{198, 51, 100, byte(d.IntN(4))})
		}
		return netip.MustParseAddr(d.one("2001:db8:1::7", "fe80::7"))
	case 3:
		return podIP(3, 2+d.IntN(5), v4) // of a node that is often not there
	default:
		return podIP(d.IntN(3), 2+d.IntN(5), v4)
	}
}

func (d dice) port() Port {
	p := Port{Protocol: Protocol(d.one("tcp", "tcp", "udp", "sctp"))}
	switch d.IntN(4) {
	case 0:
		p.Number = uint16(80 + d.IntN(3))
	case 1:
		p.Number, p.End = uint16(80+d.IntN(2)), uint16(80+d.IntN(3))
	case 2:
		p.Name = d.one("web", "dns", "other")
	}
	return p
}

func (d dice) connection() Connection {
	v4 := d.chance(50)
	c := Connection{
		Client:   d.address(v4),
		Server:   d.address(v4),
		Protocol: Protocol(d.one("tcp", "tcp", "udp", "sctp")),
	}
	c.Port = uint16(79 + d.IntN(5))
	if d.chance(10) {
		c.Protocol, c.Port = "icmp", 0
	}
	return c
}

// between is a connection with a pod of this node at one end, mostly.
func (d dice) between(in Input) Connection {
	c := d.connection()
	if len(in.Attached) == 0 || len(in.Pods) == 0 || d.chance(10) {
		return c
	}
	here := in.Attached[d.IntN(len(in.Attached))].Addrs
	there := in.Pods[d.IntN(len(in.Pods))].Addrs
	if len(here) == 0 {
		return c
	}
	pod, other := here[d.IntN(len(here))], d.address(false)
	if pod.Is4() {
		other = d.address(true)
	}
	for _, ip := range there {
		if ip.Is4() == pod.Is4() && d.chance(60) {
			other = ip
		}
	}
	if c.Client, c.Server = pod, other; d.chance(50) {
		c.Client, c.Server = other, pod
	}
	return c
}

// cluster is an Input at once.
func (d dice) cluster() Input {
	w := watched{Input: Input{Self: "node0"}}
	for n := range 3 {
		for range 10 {
			if node := d.node(); node.Name == fmt.Sprintf("node%d", n) {
				w.setNode(node)
			}
		}
	}
	for range 40 {
		w.event(d, nil)
	}
	return w.Input
}

// watched is an Input that events change, and an Index with it.
type watched struct{ Input }

func (w *watched) setNode(n Node) {
	w.Nodes = slices.DeleteFunc(w.Nodes, func(o Node) bool { return o.Name == n.Name })
	w.Nodes = append(w.Nodes, n)
}

// event draws one event. The Index may be nil.
func (w *watched) event(d dice, ix *Index) {
	if ix == nil {
		ix = NewIndex()
	}
	switch d.IntN(24) {
	case 0, 1, 2, 3, 4, 5:
		p := d.pod()
		w.Pods = append(slices.DeleteFunc(w.Pods, func(o Pod) bool { return named(o, p) }), p)
		ix.SetPod(p)
	case 6, 7:
		p := d.pod()
		w.Pods = slices.DeleteFunc(w.Pods, func(o Pod) bool { return named(o, p) })
		ix.DeletePod(p.Namespace, p.Name)
	case 8, 9, 10:
		n := d.namespace()
		w.Namespaces = append(slices.DeleteFunc(w.Namespaces, func(o Namespace) bool { return o.Name == n.Name }), n)
		ix.SetNamespace(n)
	case 11:
		n := d.namespace()
		w.Namespaces = slices.DeleteFunc(w.Namespaces, func(o Namespace) bool { return o.Name == n.Name })
		ix.DeleteNamespace(n.Name)
	case 12, 13, 14, 15:
		p := d.policy()
		w.Policies = append(slices.DeleteFunc(w.Policies, func(o Policy) bool { return comparePolicies(o, p) == 0 }), p)
		ix.SetPolicy(p)
	case 16:
		p := d.policy()
		w.Policies = slices.DeleteFunc(w.Policies, func(o Policy) bool { return comparePolicies(o, p) == 0 })
		ix.DeletePolicy(p.Namespace, p.Name)
	case 17, 18:
		n := d.node()
		w.setNode(n)
		ix.SetNode(n)
	case 19:
		n := d.node()
		w.Nodes = slices.DeleteFunc(w.Nodes, func(o Node) bool { return o.Name == n.Name })
		ix.DeleteNode(n.Name)
	case 20, 21, 22:
		w.attach(d.attached(), ix)
	case 23:
		a := d.attached()
		w.Attached = slices.DeleteFunc(w.Attached, func(o Attached) bool { return sameAttached(o, a) })
		ix.Detach(a.Namespace, a.Name, a.UID)
	}
}

// attach leaves at most one of those that a pod without a UID could be.
func (w *watched) attach(a Attached, ix *Index) {
	for _, o := range slices.Clone(w.Attached) {
		if o.Namespace == a.Namespace && o.Name == a.Name && (o.UID == "" || a.UID == "") {
			w.Attached = slices.DeleteFunc(w.Attached, func(p Attached) bool { return sameAttached(o, p) })
			ix.Detach(o.Namespace, o.Name, o.UID)
		}
	}
	w.Attached = append(slices.DeleteFunc(w.Attached, func(o Attached) bool { return sameAttached(o, a) }), a)
	ix.Attach(a)
}

func named(a, b Pod) bool { return a.Namespace == b.Namespace && a.Name == b.Name }

func sameAttached(a, b Attached) bool {
	return a.Namespace == b.Namespace && a.Name == b.Name && a.UID == b.UID
}

package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/nft/nfttest"
)

// Without policies everything is let through.
func TestNoPolicy(t *testing.T) {
	try(t, world(), "a > b tcp/80: yes", "r > a udp/53: yes", "outside > a tcp/80: yes", "a > outside icmp: yes")
}

// The caller fills in the defaults of spec.policyTypes; a direction that a policy does not isolate is not asked.
func TestPolicyTypes(t *testing.T) {
	try(t, world(ingress("in", with())), "r > a tcp/80: no", "a > r tcp/80: yes", "c > a tcp/80: no")
	try(t, world(egress("out", with())), "r > a tcp/80: yes", "a > r tcp/80: no", "a > c tcp/80: no")
	neither := Policy{Namespace: "x", Name: "neither", Ingress: []Rule{rule(podsWith("app=a"))}}
	try(t, world(neither), "r > a tcp/80: yes", "a > r tcp/80: yes")
	unused := ingress("in", with(), anybody())
	unused.Egress = []Rule{rule(podsWith("app=none"))}
	try(t, world(unused), "a > r tcp/80: yes")
}

// A rule whose "from" is missing or empty names everybody. One whose peers were all left out names nobody.
func TestEmptyAndMissingFrom(t *testing.T) {
	try(t, world(ingress("all", with("app=a"), anybody())), "r > a tcp/80: yes", "outside > a icmp: yes")
	try(t, world(ingress("none", with("app=a"), rule())), "r > a tcp/80: no", "outside > a tcp/80: no")
	try(t, world(ingress("none", with("app=a"))), "r > a tcp/80: no", "b > a tcp/80: no", "a > b tcp/80: yes")
}

// Rules and policies add up: one that lets through is enough.
func TestPoliciesAddUp(t *testing.T) {
	in := world(ingress("deny", with()),
		ingress("web", with("app=a"), rule(podsWith("app=b")).on(Port{TCP, "", 80, 0})),
		ingress("dns", with("app=a"), rule(podsWith("app=a")).on(Port{UDP, "", 53, 0})))
	try(t, in, "b > a tcp/80: yes", "b > a udp/53: no", "r > a udp/53: yes", "r > a tcp/80: no", "a > b tcp/80: no")
}

// Each peer of a rule may use each of its ports. Several ports by number are one lookup, so that the table has a line
// for each peer, and not for each peer and port.
func TestPeersAndPorts(t *testing.T) {
	r := rule(podsWith("app=b"), podsWith("app=a"), block("198.51.100.0/24"), block("2001:db8::/32")).on(
		Port{TCP, "", 80, 0}, Port{TCP, "", 443, 0}, Port{TCP, "", 80, 80}, Port{UDP, "", 53, 0}, Port{UDP, "", 54, 0},
		Port{TCP, "", 8000, 8010}, Port{SCTP, "", 80, 0})
	in := world(ingress("p", with("app=a"), r))
	try(t, in, "b > a tcp/80: yes", "b > a tcp/443: yes", "b > a udp/53: yes", "b > a udp/80: no", "b > a tcp/53: no",
		"b > a tcp/8005: yes", "b > a tcp/8011: no", "b > a sctp/80: yes", "b > a sctp/443: no", "b > a icmp: no",
		"r > a tcp/443: yes", "outside > a udp/54: yes", "s > a tcp/80: no")
	r.Peers, r.Ports = nil, nil
	for i := range 50 {
		r.Peers = append(r.Peers, podsWith(fmt.Sprintf("app=app%d", i)))
	}
	before, _ := Compile(world(ingress("p", with("app=a"))))
	for i, more := range []func(n uint16) Port{
		func(n uint16) Port { return Port{TCP, "", 8000 + n, 0} },
		func(n uint16) Port { return Port{UDP, "", 8000 + 10*n, 8004 + 10*n} },
		func(n uint16) Port { return Port{SCTP, fmt.Sprintf("web%d", n), 0, 0} },
		func(uint16) Port { return Port{SCTP, "", 0, 0} }, // all of them, and no names any more
	} {
		for n := range uint16(20) {
			r.Ports = append(r.Ports, more(n))
		}
		after, _ := Compile(world(ingress("p", with("app=a"), r)))
		if got, want := rulesOf(after.Table)-rulesOf(before.Table), 2*len(r.Peers)*min(i+1, 3); got != want {
			t.Errorf("%d ports: %d rules, want %d", len(r.Ports), got, want)
		}
	}
}

func rulesOf(table nft.Layout) (n int) {
	for _, c := range table.Chains {
		n += len(c.Rules)
	}
	return n
}

// A selector of pods alone is of the policy's namespace; of namespaces alone it is all their pods; both must hold.
func TestPeers(t *testing.T) {
	try(t, world(ingress("p", with("app=a"), rule(podsWith("app=s")))), "s > a tcp/80: no")
	try(t, world(ingress("p", with("app=a"), rule(podsWith()))), "r > a tcp/80: yes", "s > a tcp/80: no")
	y := world(ingress("p", with("app=a"), rule(namespacesWith("ns=y"))))
	try(t, y, "s > a tcp/80: yes", "c > a tcp/80: yes", "r > a tcp/80: no", "other > a tcp/80: no")
	s := podsWith("app=s")
	s.Namespaces = namespacesWith("ns=y").Namespaces
	try(t, world(ingress("p", with("app=a"), rule(s))), "s > a tcp/80: yes", "c > a tcp/80: no", "r > a tcp/80: no")
}

func TestMatchExpressions(t *testing.T) {
	for _, c := range []struct {
		operator Operator
		values   []string
		key      string
		b, r     string
	}{
		{In, []string{"a", "z"}, "app", "no", "yes"},
		{NotIn, []string{"a", "z"}, "app", "yes", "no"},
		{NotIn, []string{"a"}, "missing", "yes", "yes"},
		{Exists, nil, "app", "yes", "yes"},
		{Exists, nil, "missing", "no", "no"},
		{DoesNotExist, nil, "missing", "yes", "yes"},
		{DoesNotExist, nil, "app", "no", "no"},
	} {
		peer := Peer{Pods: &Selector{Requirements: []Requirement{{c.key, c.operator, c.values}}}}
		try(t, world(ingress("p", with("app=a"), rule(peer))), "b > a tcp/80: "+c.b, "r > a tcp/80: "+c.r)
	}
}

// All pods of all namespaces are pods, wherever they run: not nodes, not pods that share a node's network, and nobody
// outside.
func TestAllPodsOfAllNamespaces(t *testing.T) {
	for _, peer := range []Peer{namespacesWith(), {Pods: &Selector{}, Namespaces: &Selector{}}} {
		try(t, world(ingress("p", with("app=a"), rule(peer))),
			"b > a tcp/80: yes", "s > a tcp/80: yes", "r > a icmp: yes",
			"outside > a tcp/80: no", "other > a tcp/80: no", "other-gateway > a tcp/80: no")
		try(t, world(egress("p", with("app=a"), rule(peer))),
			"a > s tcp/80: yes", "a > outside tcp/80: no", "a > node tcp/80: no", "a > node-gateway tcp/80: no")
	}
}

func TestEndPort(t *testing.T) {
	in := world(
		ingress("p", with("app=a"), anybody().on(Port{TCP, "", 8000, 8010}, Port{UDP, "", 9, 9}, Port{SCTP, "", 5, 6})),
	)
	try(
		t,
		in,
		"r > a tcp/7999: no",
		"r > a tcp/8000: yes",
		"r > a tcp/8010: yes",
		"r > a tcp/8011: no",
		"r > a udp/8005: no",
		"r > a udp/9: yes",
		"r > a udp/10: no",
		"r > a sctp/5: yes",
		"r > a sctp/6: yes",
		"r > a sctp/7: no",
	)
}

// A port with a protocol and no number is all ports of the protocol. Only a rule without ports lets ICMP through.
func TestProtocolOnly(t *testing.T) {
	in := world(ingress("p", with("app=a"), anybody().on(Port{Protocol: UDP})))
	try(t, in, "r > a udp/1: yes", "r > a udp/65535: yes", "r > a tcp/1: no", "r > a sctp/1: no", "r > a icmp: no")
	try(t, world(ingress("p", with("app=a"), anybody())), "r > a icmp: yes", "r > a sctp/7: yes")
}

// A named port that no container has is no port.
func TestUnknownNamedPortIsNoPort(t *testing.T) {
	in := world(ingress("p", with("app=a"), anybody().on(Port{Protocol: TCP, Name: "nothing"})))
	try(t, in, "r > a tcp/80: no", "r > a tcp/0: no", "r > a icmp: no")
	try(t, world(ingress("p", with("app=b"), anybody().on(Port{Protocol: TCP, Name: "web"}))), "r > b tcp/80: no")
}

// A name is a number and a protocol of the server's containers: each pod may have others, and several.
func TestNamedPorts(t *testing.T) {
	web := anybody().on(Port{Protocol: TCP, Name: "web"})
	in := world(
		ingress("p", with(), web),
		egress("q", with("app=b"), rule(namespacesWith()).on(Port{TCP, "web", 0, 0})),
	)
	in.Pods[1].Ports = []NamedPort{{"web", TCP, 8080}, {"web", TCP, 8081}, {"web", UDP, 80}, {"web", SCTP, 81}}
	try(t, in, "r > a tcp/80: yes", "r > a tcp/8080: no", "r > b tcp/8080: yes", "r > b tcp/8081: yes",
		"r > b tcp/80: no", "r > b udp/80: no", "r > b sctp/81: no", "r > a udp/53: no",
		"b > r tcp/80: yes", "b > r tcp/8080: no", "b > s tcp/80: no", "b > outside tcp/80: no")
	byBlock := egress(
		"q",
		with("app=b"),
		rule(block("10.244.2.0/24"), block("fd00:10:244:2::/64")).on(Port{TCP, "web", 0, 0}),
	)
	try(t, world(byBlock), "b > r tcp/80: yes", "b > r tcp/81: no", "b > a tcp/80: no", "b > other-gateway tcp/80: no")
}

func TestBlocks(t *testing.T) {
	in := world(ingress("p", with("app=a"), rule(
		block("198.51.100.0/24", "198.51.100.0/28", "198.51.100.4/30"), block("2001:db8:1::/48", "2001:db8:1::/124"))))
	try(t, in, "outside > a tcp/80: no", "r > a tcp/80: no")
	// Overlapping blocks and exceptions: what one leaves out another has.
	in = world(ingress("p", with("app=a"), rule(block("198.51.0.0/16", "198.51.100.0/24"), block("198.51.100.0/29"),
		block("::/0", "2001:db8::/32"), block("2001:db8:1::7/128"))))
	try(t, in, "outside > a tcp/80: yes")
}

// An exception that is the whole block leaves nothing of it, and one of another range nothing out.
func TestExceptIsTheBlock(t *testing.T) {
	whole := ingress("p", with("app=a"), rule(block("198.51.100.0/24", "198.51.100.0/24"), block("::/0", "::/0")))
	try(t, world(whole), "outside > a tcp/80: no", "r > a tcp/80: no", "other-gateway > a tcp/80: no")
	other := ingress(
		"p",
		with("app=a"),
		rule(block("198.51.100.0/24", "192.0.2.0/24"), block("2001:db8:1::/48", "::/128")),
	)
	try(t, world(other), "outside > a tcp/80: yes")
}

// Hosts reach remote pods from their gateway addresses, so a block that has the node's address has those. Other nodes
// and pods in a host's network are not pods.
func TestBlockOfANodeCoversItsGateways(t *testing.T) {
	nodes := rule(block("192.0.2.0/24", "10.244.0.0/16"), block("2001:db8::/64"))
	try(t, world(ingress("p", with("app=a"), nodes)),
		"other > a tcp/80: yes", "other-gateway > a tcp/80: yes", "r > a tcp/80: no")
	try(t, world(egress("p", with("app=a"), nodes)), "a > node tcp/80: yes", "a > node-gateway tcp/80: yes",
		"a > other-gateway tcp/80: yes", "a > s tcp/80: no")
	w := newWire(t, world(ingress("p", with("app=a"), rule(block("192.0.2.0/24")))))
	for family, want := range map[string]bool{"": true, "6": false} { // the block's family alone
		c, _ := parseTrial(t, "other-gateway > a tcp/80: yes", family)
		if d := w.judge(c); d.Allowed != want {
			t.Errorf("IPv%s: %v", cmp.Or(family, "4"), d)
		}
		w.check(t, c)
	}
	one := rule(block("192.0.2.0/24", "192.0.2.2/32"), block("2001:db8::/64", "2001:db8::2/128"))
	try(t, world(ingress("p", with("app=a"), one)), "other > a tcp/80: no", "other-gateway > a tcp/80: no")
}

// The node reaches its own pods always, with the kubelet's probes. The pod's egress policies hold towards the node.
func TestNodeAndOwnPods(t *testing.T) {
	deny := Policy{Namespace: "x", Name: "deny", IsolatesIngress: true, IsolatesEgress: true}
	try(t, world(deny), "node > a tcp/80: yes", "node-gateway > b tcp/80: yes", "a > node tcp/10250: no",
		"a > node-gateway udp/53: no", "c > node tcp/10250: yes", "other-gateway > a tcp/80: no")
}

// A pod opens no connection from a link-local address, whatever policies there are: whose it is nobody knows, so its
// egress policies could not hold. Towards the node's link-local address they hold.
func TestLinkLocalAddresses(t *testing.T) {
	deny := Policy{Namespace: "x", Name: "deny", IsolatesIngress: true, IsolatesEgress: true}
	w := newWire(t, world(deny))
	for _, server := range []string{"node6", "node-gateway6", "node-local6", "a6", "c6", "d6", "r6", "outside6"} {
		c := Connection{Client: addresses["local6"], Server: addresses[server], Protocol: TCP, Port: 10250}
		if d := w.judge(c); d.Allowed || d.Reason != LinkLocal {
			t.Errorf("to %s: %v", server, d)
		}
		w.check(t, c)
	}
	for client, want := range map[string]bool{"a6": false, "c6": true, "d6": false, "r6": true} {
		c := Connection{Client: addresses[client], Server: addresses["node-local6"], Protocol: UDP, Port: 53}
		if d := w.judge(c); d.Allowed != want {
			t.Errorf("from %s: %v", client, d)
		}
		w.check(t, c)
	}
	// The node reaches its pods there too: the answer is let through. A Service's backend on the node is the node.
	for _, c := range []struct {
		from, to string
		ct       nfttest.Conntrack
		passes   bool
	}{
		{"local6", "node-local6", nfttest.Conntrack{State: nfttest.Established, Reply: true}, true},
		{"local6", "node-gateway6", nfttest.Conntrack{State: nfttest.Established}, false},
		{"local6", "outside6", nfttest.Conntrack{Destination: netip.AddrPortFrom(addresses["node6"], 80)}, false},
		{"a6", "outside6", nfttest.Conntrack{Destination: netip.AddrPortFrom(addresses["node6"], 80)}, false},
		{"c6", "outside6", nfttest.Conntrack{Destination: netip.AddrPortFrom(addresses["node6"], 80)}, true},
	} {
		p := nfttest.Packet{
			In: "warren-br0", From: netip.AddrPortFrom(addresses[c.from], 40000), Protocol: "tcp",
			To: netip.AddrPortFrom(addresses[c.to], 80), Conntrack: c.ct,
		}
		if got := w.tracer.Trace(p); (got.Dropped == nil) != c.passes {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// A pod reaches itself, through a Service too.
func TestPodAndItself(t *testing.T) {
	deny := Policy{Namespace: "x", Name: "deny", IsolatesIngress: true, IsolatesEgress: true}
	try(t, world(deny), "a > a tcp/80: yes", "a > b tcp/80: no")
}

// An attached pod of which no labels are known is closed, and so is an address on the bridge that nobody has.
func TestUnknownPods(t *testing.T) {
	in := world()
	in.Attached = append(in.Attached, Attached{Namespace: "x", Name: "late", UID: "9", Addrs: both("d")})
	for range 2 {
		try(t, in, "d > b tcp/80: no", "b > d tcp/80: no", "d > outside tcp/80: no", "d > node tcp/80: no",
			"outside > d tcp/80: no", "node > d tcp/80: yes", "a > b tcp/80: yes")
		in.Attached = in.Attached[:3]
	}
}

// A pod with the name of an earlier one is another: what was attached under the old UID waits, and is closed.
func TestSameNameWithAnotherUID(t *testing.T) {
	in := world(ingress("p", with("app=b"), rule(podsWith("app=a"))))
	in.Pods[0].UID = "another"
	try(t, in, "a > b tcp/80: no", "b > a tcp/80: no", "r > b tcp/80: yes")
	in.Attached[0].UID = "" // the runtime does not tell
	try(t, in, "a > b tcp/80: yes")
}

// An address that is used again at once belongs to the pod that the gate attached, and not to the one whose status
// still has it.
func TestAddressReusedAtOnce(t *testing.T) {
	in := world(ingress("p", with("app=b"), rule(podsWith("app=old"))))
	in.Pods = append(in.Pods,
		Pod{Namespace: "x", Name: "old", UID: "8", Node: "here", Labels: labelled("app=old"), Addrs: both("a")})
	try(t, in, "a > b tcp/80: no")
	in.Pods[5].Node, in.Pods[5].Addrs = "there", both("r") // on another node nobody knows whose it is
	try(t, in, "r > b tcp/80: no")
	try(
		t,
		Input{Self: in.Self, Attached: in.Attached, Nodes: in.Nodes, Namespaces: in.Namespaces, Policies: in.Policies,
			Pods: append(in.Pods[:3:3], in.Pods[5])},
		"r > b tcp/80: yes",
	)
}

// A completed Job, and a pod in its host's network, are not among the pods: their addresses are nobody's.
func TestCompletedJobAndHostNetwork(t *testing.T) {
	in := world(ingress("p", with("app=b"), rule(podsWith("app=a"))))
	try(t, in, "r > b tcp/80: yes")
	in.Pods = append(in.Pods[:3], in.Pods[4])
	try(t, in, "r > b tcp/80: no", "other > b tcp/80: no", "other-gateway > b tcp/80: no")
}

// A pod may have an address of one family only, or two.
func TestOneFamilyOnly(t *testing.T) {
	in := world(ingress("p", with("app=b"), rule(podsWith("app=a"))))
	in.Pods[3].Addrs = in.Pods[3].Addrs[1:]
	in.Attached[0].Addrs = in.Attached[0].Addrs[:1]
	for line, want := range map[string]bool{"r > b tcp/80": true, "a > b tcp/80": false} {
		for family, yes := range map[string]bool{"6": want, "": !want} {
			conn, _ := parseTrial(t, line+": yes", family)
			if d := Judge(in, conn); d.Allowed != yes {
				t.Errorf("%s%s: %v", line, family, d)
			}
		}
	}
}

// An address outside the pod CIDRs of the pod's node counts for nothing: a node speaks for its own pods only.
func TestStaleRemoteAddress(t *testing.T) {
	in := world(ingress("p", with("app=b"), rule(podsWith("app=z"))))
	stale := Pod{Namespace: "x", Name: "z", UID: "8", Node: "there", Labels: labelled("app=z"), Addrs: both("outside")}
	in.Pods = append(in.Pods, stale)
	try(t, in, "outside > b tcp/80: no")
	in.Pods[5].Addrs, in.Pods[5].Node = both("s"), "here"
	in.Pods = append(in.Pods[:4], in.Pods[5])
	try(t, in, "s > b tcp/80: no")
	in.Pods[4].Node = "there"
	try(t, in, "s > b tcp/80: yes")
	in.Nodes = in.Nodes[:1]
	try(t, in, "s > b tcp/80: no")
}

// A namespace that is relabelled or deleted takes its pods with it, for those who name it by its labels.
func TestNamespaceRelabelledAndDeleted(t *testing.T) {
	not := Peer{Namespaces: &Selector{Requirements: []Requirement{{"ns", NotIn, []string{"x"}}}}}
	in := world(ingress("p", with("app=a"), rule(namespacesWith("ns=y"))), ingress("q", with("app=b"), rule(not)))
	try(t, in, "s > a tcp/80: yes", "s > b tcp/80: yes")
	in.Namespaces[1].Labels = labelled("ns=x")
	try(t, in, "s > a tcp/80: no", "s > b tcp/80: no")
	in.Namespaces = in.Namespaces[:1]
	try(t, in, "s > a tcp/80: no", "s > b tcp/80: no")
}

// With the last policy that isolates a pod, everything is let through again.
func TestLastPolicyRemoved(t *testing.T) {
	in := world(ingress("p", with()), ingress("q", with("app=a")))
	try(t, in, "r > a tcp/80: no", "r > b tcp/80: no")
	in.Policies = in.Policies[1:]
	try(t, in, "r > a tcp/80: no", "r > b tcp/80: yes")
	in.Policies = nil
	try(t, in, "r > a tcp/80: yes")
}

// What cannot be read lets nothing through and is a Problem; the rest of the policy and all others are kept.
func TestUnreadableIsClosedAndAProblem(t *testing.T) {
	strange := Selector{Requirements: []Requirement{{"app", "Like", []string{"a"}}}}
	noValues := Selector{Requirements: []Requirement{{"app", NotIn, nil}}}
	noExcept := Block{netip.MustParsePrefix("0.0.0.0/0"), make([]netip.Prefix, 1)}
	const from, ports = "spec.ingress[1].from[0]", "spec.ingress[1].ports[0]"
	for field, c := range map[string]struct {
		peer Peer
		port Port
	}{
		from + ".ipBlock.cidr":              {peer: Peer{Block: &Block{}}},
		from + ".ipBlock.except[0]":         {peer: Peer{Block: &noExcept}},
		from + " (of two kinds)":            {peer: Peer{Block: &Block{}, Pods: &Selector{}}},
		from:                                {peer: Peer{}},
		from + ".podSelector requirement 0": {peer: Peer{Pods: &strange}},
		from + ".podSelector requirement 0 (without values)": {peer: Peer{Pods: &noValues}},
		from + ".namespaceSelector requirement 0":            {peer: Peer{Namespaces: &strange}},
		ports + ".protocol":                                  {peer: podsWith(), port: Port{"DCCP", "", 80, 0}},
		ports + ".endPort":                                   {peer: podsWith(), port: Port{TCP, "", 80, 79}},
		ports + ".endPort (of a name)":                       {peer: podsWith(), port: Port{TCP, "web", 0, 80}},
		ports + ".endPort (alone)":                           {peer: podsWith(), port: Port{TCP, "", 0, 80}},
	} {
		bad := rule(c.peer)
		if c.port != (Port{}) {
			bad = bad.on(c.port)
		}
		in := world(ingress("p", with("app=a"), rule(podsWith("app=b")), bad), ingress("q", with("app=b")))
		try(t, in, "b > a tcp/80: yes", "r > a tcp/80: no", "outside > a tcp/80: no", "a > b tcp/80: no")
		_, problems := keep(in.Policies[0])
		want, _, _ := strings.Cut(field, " (")
		if len(problems) != 1 || problems[0].Name != "p" || problems[0].Field != want {
			t.Errorf("%s: %v", field, problems)
		}
	}
}

// A policy whose pods cannot be read isolates all that it may mean, and lets nothing through.
func TestUnreadablePodSelectorIsClosed(t *testing.T) {
	strange := Selector{Requirements: []Requirement{{"app", "Like", []string{"z"}}, {"app", Exists, nil}}}
	in := world(ingress("p", strange, anybody()))
	try(t, in, "r > a tcp/80: no", "r > b tcp/80: no", "s > c tcp/80: yes", "a > r tcp/80: yes")
}

// The decision names the policies, the rule that lets through, and the rules that nearly do.
func TestDecisionSaysWhy(t *testing.T) {
	in := world(ingress("p", with("app=a"), rule(podsWith("app=b")).on(Port{TCP, "", 80, 0}),
		rule(podsWith("app=z")).on(Port{TCP, "", 81, 0})), ingress("deny", with()))
	for line, want := range map[string]string{
		"b > a tcp/80: yes": "let through: by the policies\negress of x/b: no policy isolates it\n" +
			"ingress of x/a: let through by rule x/p 0\n",
		"b > a tcp/81: no": "refused: by the policies\negress of x/b: no policy isolates it\n" +
			"ingress of x/a: isolated by x/deny, x/p, and no rule lets this through\n" +
			"  rule x/p 0 would, if it had the port\n  rule x/p 1 would, if its \"from\" had the other end\n",
		"r > b tcp/80: no": "refused: by the policies\n" +
			"ingress of x/b: isolated by x/deny, and no rule lets this through\n" +
			"  a rule with the other end in \"from\" and the port in \"ports\" would let it through\n",
		"node > b tcp/80: yes": "let through: from this node\n",
		"d > b tcp/80: no":     "refused: a pod of this node that is not known\n",
	} {
		conn, _ := parseTrial(t, line, "")
		if got := Judge(in, conn).String(); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", line, got, want)
		}
	}
}

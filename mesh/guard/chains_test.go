package guard

import (
	"fmt"
	"slices"
	"testing"

	"warren.mesh/mesh"
	"warren.mesh/mesh/nft/nfttest"
)

// judgement is what one chain does with one packet.
type judgement struct {
	name string
	// from is where the packet comes from, and packet its addresses and ports in the names of family.
	from, packet string
	// known is what the kernel knows besides; nil for a new connection that nobody translates.
	known func(f family, p *nfttest.Packet)
	// want is the chain's verdict with the rule's reason, "end" or "not reached".
	want string
	// marked says that the packet's and the connection's mark are set in the end.
	marked, connectionMarked bool
}

const testMark = 0x800000

// A request to a hostPort, and its answer.
func translated(f family, p *nfttest.Packet) {
	p.Conntrack.Destination, p.Out = f.endpoint("pod:80"), "warren-br0"
}

func answer(_ family, p *nfttest.Packet) {
	p.Conntrack = nfttest.Conntrack{State: nfttest.Established, Reply: true, DNAT: true}
}

func markedAnswer(f family, p *nfttest.Packet) {
	answer(f, p)
	p.Conntrack.Mark = testMark
}

func invalid(_ family, p *nfttest.Packet) { p.Conntrack.State = nfttest.Invalid }

func judgements() map[string][]judgement {
	const (
		notOurs   = "drop: from a pod, source not in this node's pod CIDRs: drop"
		aPods     = "drop: from the underlay, with a pod's address as source: drop"
		untouched = "accept: not translated, as most: nothing to mark"
		inside    = "drop: WireGuard from a pod or out of the mesh: drop"
		near      = "accept: into the mesh, to a pod here or to this host"
		answers   = "accept: answer to a request over the underlay"
		strangers = "accept: not into the mesh, and neither end a pod: as WireGuard's own packets"
		plain     = "drop: to a pod, in plain text from outside the mesh: drop"
		keeps     = "dnat: to WireGuard on this node: keeps its destination"
		keepsOut  = "dnat: from WireGuard on this node: keeps its destination"
		noSource  = "drop: a pod's address as source, not masqueraded: drop"
	)
	return map[string][]judgement{
		"guard-spoof": {
			{name: "a pod in its own name", from: "pod", packet: "pod:5000 > outside:7", want: "end"},
			{name: "a pod in nobody's name", from: "pod", packet: "spoofed:5000 > outside:7", want: notOurs},
			{name: "a pod in a remote pod's name", from: "pod", packet: "remotePod:5000 > pod:7", want: notOurs},
			{name: "a pod in a node's name", from: "pod", packet: "otherNode:5000 > node:7", want: notOurs},
			{name: "a pod that has no address yet", from: "pod", packet: "unspecified:68 > group:67", want: "end"},
			{name: "a stranger in a pod's name", from: "underlay", packet: "remotePod:5000 > pod:7", want: aPods},
			{name: "a stranger in a pod's name here", from: "underlay", packet: "pod:5000 > neighbour:7", want: aPods},
			{name: "a stranger in his own name", from: "underlay", packet: "outside:5000 > node:7", want: "end"},
			{name: "a remote pod out of the mesh", from: "mesh", packet: "remotePod:5000 > pod:7", want: "end"},
			{name: "this host", from: "node", packet: "node:5000 > otherNode:7", want: "not reached"},
		},
		"guard-inbound": {
			{name: "a stranger to a pod", from: "underlay", packet: "outside:5000 > pod:7", want: plain},
			{name: "a node to a pod", from: "underlay", packet: "otherNode:5000 > pod:7", want: plain},
			{name: "a node to a remote pod", from: "underlay", packet: "otherNode:5000 > remotePod:7", want: plain},
			{name: "a stranger to a lost pod", from: "underlay", packet: "outside:5000 > lostPod:7", want: plain},
			{name: "a stranger to the gateway", from: "underlay", packet: "outside:5000 > gateway:7", want: plain},
			{name: "this node's name on the underlay", from: "underlay", packet: "node:5000 > pod:7", want: plain},
			{name: "another network of the node", from: "pod", packet: "container:5000 > pod:7", want: plain},
			{
				name: "into a connection that is known", from: "underlay", packet: "otherNode:5000 > pod:7",
				known: func(_ family, p *nfttest.Packet) { p.Conntrack.State = nfttest.Established }, want: plain,
			},
			{
				name: "a request to a hostPort", from: "underlay", packet: "outside:5000 > node:8080",
				known: translated, want: "end",
			},
			{
				name: "the answer to what was masqueraded", from: "underlay", packet: "outside:7 > node:5000",
				known: func(f family, p *nfttest.Packet) {
					p.Conntrack = nfttest.Conntrack{State: nfttest.Established, Destination: f.endpoint("pod:5000")}
				},
				want: "end",
			},
			{name: "a stranger to a group", from: "underlay", packet: "outside:5353 > group:5353", want: "end"},
			{name: "WireGuard on the underlay", from: "underlay", packet: "otherNode:51820 > node:51820", want: "end"},
			{name: "a remote pod out of the mesh", from: "mesh", packet: "remotePod:5000 > pod:7", want: "end"},
			{name: "a node out of the mesh", from: "mesh", packet: "thirdNode:5000 > pod:7", want: "end"},
			{name: "a pod to its neighbour", from: "pod", packet: "pod:5000 > neighbour:7", want: "end"},
			{name: "a pod to its gateway", from: "pod", packet: "pod:5000 > gateway:53", want: "end"},
			{name: "in a pod's name", from: "underlay", packet: "remotePod:5000 > pod:7", want: "not reached"},
			{name: "this host", from: "node", packet: "node:5000 > pod:7", want: "not reached"},
		},
		"underlay-path": {
			{name: "nothing translated", from: "pod", packet: "pod:5000 > outside:7", want: untouched},
			{
				name: "a node's request to a hostPort", from: "underlay", packet: "otherNode:5000 > node:8080",
				known: translated, want: "end", marked: true, connectionMarked: true,
			},
			{
				name: "a stranger's request to a hostPort", from: "underlay", packet: "outside:5000 > node:8080",
				known: translated, want: "end",
			},
			{
				name: "a node's request through the mesh", from: "mesh", packet: "thirdNode:5000 > gateway:8080",
				known: translated, want: "end",
			},
			{
				name: "the answer to a node's request", from: "pod", packet: "pod:80 > otherNode:5000",
				known: markedAnswer, want: "end", marked: true, connectionMarked: true,
			},
			{
				name: "the answer to a request through the mesh", from: "pod", packet: "pod:80 > thirdNode:5000",
				known: answer, want: "end",
			},
			{name: "an invalid packet", from: "pod", packet: "pod:80 > otherNode:5000", known: invalid, want: "end"},
		},
		"wireguard-in": {
			{
				name: "WireGuard, to what others translate", from: "underlay", packet: "otherNode:51820 > node:51820",
				known: translated, want: keeps,
			},
			{
				name: "from a NAT", from: "underlay", packet: "outside:1024 > secondary:51820",
				known: translated, want: keeps,
			},
			{
				name: "another port", from: "underlay", packet: "outside:5000 > node:8080",
				known: translated, want: "end",
			},
			{
				name: "another host", from: "pod", packet: "pod:5000 > outside:51820",
				known: translated, want: "end",
			},
			{
				name: "not the first of a connection", from: "underlay", packet: "otherNode:51820 > node:51820",
				known: func(_ family, p *nfttest.Packet) { p.Conntrack.State = nfttest.Established },
				want:  "not reached",
			},
		},
		"wireguard-out": {
			{
				name: "WireGuard, to what others translate", from: "node", packet: "node:51820 > otherNode:51820",
				known: translated, want: keepsOut,
			},
			{
				name: "to a port forward", from: "node", packet: "node:51820 > outside:40000",
				known: translated, want: keepsOut,
			},
			{name: "another port", from: "node", packet: "node:5000 > otherNode:51820", want: "end"},
		},
		"guard-in": {
			{name: "WireGuard from a pod", from: "pod", packet: "pod:5000 > node:51820", want: inside},
			{name: "WireGuard out of the mesh", from: "mesh", packet: "thirdNode:51820 > gateway:51820", want: inside},
			{name: "WireGuard on the underlay", from: "underlay", packet: "otherNode:51820 > node:51820", want: "end"},
			{name: "a pod to its node", from: "pod", packet: "pod:5000 > node:53", want: "end"},
			{name: "a forwarded packet", from: "pod", packet: "pod:5000 > outside:51820", want: "not reached"},
		},
		"guard-forward": {
			{
				name: "into the mesh", from: "pod", packet: "pod:5000 > remotePod:7",
				want: "accept: into the mesh or to a pod here",
			},
			{
				name: "out of the mesh to a pod", from: "mesh", packet: "remotePod:5000 > pod:7",
				want: "accept: into the mesh or to a pod here",
			},
			{
				name: "another network to a node", from: "pod", packet: "container:5000 > otherNode:7",
				want: "accept: not from a pod, not out of the mesh",
			},
			{
				name: "the answer to a node's request", from: "pod", packet: "pod:80 > otherNode:5000",
				known: markedAnswer, want: answers, marked: true, connectionMarked: true,
			},
			{
				name: "an answer that should go through the mesh", from: "pod", packet: "pod:80 > otherNode:5000",
				known: answer, want: "drop: pod or mesh to a mesh node, not via the mesh: drop",
			},
			{
				name: "a pod to a node", from: "pod", packet: "pod:5000 > otherNode:7",
				want: "drop: pod or mesh to a mesh node, not via the mesh: drop",
			},
			{
				name: "a node to a node, out of the mesh", from: "mesh", packet: "thirdNode:5000 > otherNode:7",
				want: "drop: pod or mesh to a mesh node, not via the mesh: drop",
			},
			{name: "a pod to the outside", from: "pod", packet: "pod:5000 > outside:7", want: "end"},
			{name: "a pod to a pod that has no route", from: "pod", packet: "pod:5000 > lostPod:7", want: "end"},
		},
		"guard-out": {
			{name: "WireGuard's own", from: "node", packet: "node:51820 > otherNode:51820", want: strangers},
			{name: "this host to the outside", from: "node", packet: "node:5000 > outside:7", want: strangers},
			{
				name: "WireGuard into the mesh", from: "node", packet: "node:51820 > remotePod:51820",
				want: "drop: WireGuard about to enter the mesh: drop",
			},
			{
				name: "WireGuard from the gateway address", from: "node", packet: "gateway:51820 > outside:51820",
				want: "drop: WireGuard with a pod CIDR's address as source: drop",
			},
			{name: "a pod from WireGuard's port", from: "pod", packet: "pod:51820 > remotePod:51820", want: near},
			{name: "a pod to a remote pod", from: "pod", packet: "pod:5000 > remotePod:7", want: near},
			{name: "a pod to its neighbour", from: "pod", packet: "pod:5000 > neighbour:7", want: near},
			{
				name: "a pod to a pod that has no route", from: "pod", packet: "pod:5000 > lostPod:7",
				want: "drop: to a pod, not via the mesh or the bridge: drop",
			},
			{
				name: "this host to a pod that has no route", from: "node", packet: "node:5000 > lostPod:7",
				want: "drop: to a pod, not via the mesh or the bridge: drop",
			},
			{
				name: "the answer to a node's request", from: "pod", packet: "pod:80 > otherNode:5000",
				known: markedAnswer, want: answers, marked: true, connectionMarked: true,
			},
			{
				name: "the gateway address to a node", from: "node", packet: "gateway:5000 > otherNode:7",
				want: "drop: pod to a mesh node, not via the mesh: drop",
			},
			{name: "a pod to the outside", from: "pod", packet: "pod:5000 > outside:7", want: "end"},
		},
		"snat-out": {
			{
				name: "what kube-proxy masquerades", from: "pod", packet: "pod:5000 > outside:7",
				known: func(_ family, p *nfttest.Packet) { p.Mark = 0x4000 }, want: "return: kube-proxy masquerades it",
			},
			{
				name: "a pod to its neighbour", from: "pod", packet: "pod:5000 > neighbour:7",
				want: "return: to a pod here or to this host: not masqueraded",
			},
			{
				name: "a pod into the mesh", from: "pod", packet: "pod:5000 > remotePod:7",
				want: "return: pod or gateway into the mesh: not masqueraded",
			},
			{
				name: "this node's address into the mesh", from: "node", packet: "node:5000 > remotePod:7",
				want: "return: this node's address into the mesh: not masqueraded",
			},
			{
				name: "another address into the mesh", from: "node", packet: "secondary:5000 > remotePod:7",
				want: "masquerade: another source into the mesh: masquerade",
			},
			{
				name: "a pod to a group", from: "pod", packet: "pod:5353 > group:5353",
				want: "return: multicast: not masqueraded",
			},
			{
				name: "a pod to the outside, from WireGuard's port", from: "pod", packet: "pod:51820 > outside:7",
				want: "masquerade: pod to the outside, from WireGuard's port: masquerade to another",
			},
			{
				name: "a pod to the outside", from: "pod", packet: "pod:5000 > outside:7",
				want: "masquerade: pod to the outside: masquerade",
			},
			{name: "this host to the outside", from: "node", packet: "node:5000 > outside:7", want: "end"},
			{
				name: "not the first of a connection", from: "pod", packet: "pod:5000 > outside:7",
				known: func(f family, p *nfttest.Packet) {
					p.Conntrack = nfttest.Conntrack{State: nfttest.Established, Source: f.endpoint("node:5000")}
				},
				want: "not reached",
			},
		},
		"guard-source": {
			{
				name: "a pod, unknown to connection tracking", from: "pod", packet: "pod:5000 > outside:7",
				known: invalid, want: noSource,
			},
			{name: "a remote pod to the outside", from: "mesh", packet: "remotePod:5000 > outside:7", want: noSource},
			{name: "a pod, masqueraded", from: "pod", packet: "pod:5000 > outside:7", want: "end"},
			{name: "a pod into the mesh", from: "pod", packet: "pod:5000 > remotePod:7", want: "end"},
			{name: "what was dropped before", from: "pod", packet: "pod:5000 > lostPod:7", want: "not reached"},
		},
	}
}

// TestChains says for each chain which packets it drops, accepts, marks and translates, and why.
func TestChains(t *testing.T) {
	judged := judgements()
	for _, c := range Layout(dualFirewall()).Chains {
		if len(judged[c.Name]) == 0 {
			t.Errorf("no packet is judged by chain %s", c.Name)
		}
	}
	judge(t, dualFirewall(), judged)
}

// TestChainsWithPlainFrom says what is different where plain text is let in.
func TestChainsWithPlainFrom(t *testing.T) {
	const noPlain = "drop: to a pod, in plain text, source not in plain-from: drop"
	judge(t, plainFirewall(), map[string][]judgement{
		"guard-inbound": {
			{name: "exempt", from: "underlay", packet: "outside:5000 > pod:7", want: "end"},
			{name: "exempt, to the gateway address", from: "underlay", packet: "outside:5000 > gateway:7", want: "end"},
			{name: "in a range that is exempt", from: "underlay", packet: "unlisted:5000 > remotePod:7", want: "end"},
			{
				name: "a mesh node in such a range", from: "underlay", packet: "otherNode:5000 > pod:7",
				want: "drop: to a pod, in plain text in a mesh node's name: drop",
			},
			{name: "in no range", from: "pod", packet: "container:5000 > pod:7", want: noPlain},
			{name: "out of the mesh", from: "mesh", packet: "thirdNode:5000 > pod:7", want: "end"},
		},
		"guard-source": {
			{
				name: "the answer to what is exempt", from: "pod", packet: "pod:7 > outside:5000",
				known: func(_ family, p *nfttest.Packet) {
					p.Conntrack = nfttest.Conntrack{State: nfttest.Established, Reply: true}
				},
				want: "accept: answer to plain text from plain-from",
			},
			{
				name: "no answer", from: "pod", packet: "pod:7 > outside:5000", known: invalid,
				want: "drop: a pod's address as source, not masqueraded: drop",
			},
		},
		"guard-forward": {{
			name: "the answer to a mesh node in such a range", from: "pod", packet: "pod:7 > otherNode:5000",
			known: answer, want: "drop: pod or mesh to a mesh node, not via the mesh: drop",
		}},
	})
}

// judge has the tracer follow the packets through the table for fw, in both families.
func judge(t *testing.T, fw mesh.Firewall, judged map[string][]judgement) {
	t.Helper()
	tracer := tracerOf(t, fw)
	for chain, all := range judged {
		for _, f := range families() {
			for _, j := range all {
				t.Run(fmt.Sprintf("%s/%s, %s", chain, f.name, j.name), func(t *testing.T) {
					j.check(t, tracer, chain, f)
				})
			}
		}
	}
}

func (j judgement) check(t *testing.T, tracer *nfttest.Tracer, chain string, f family) {
	t.Helper()
	p := crossing{from: j.from, packet: j.packet}.virtual(f)
	if j.known != nil {
		j.known(f, &p)
	}
	outcome := tracer.Trace(p)
	if got := outcome.In(chain); got != j.want {
		t.Errorf("%s: %q, want %q; it %v", j.packet, got, j.want, outcome)
	}
	if marked := outcome.Mark&testMark != 0; marked != j.marked {
		t.Errorf("%s: the packet is marked: %v, want %v", j.packet, marked, j.marked)
	}
	if marked := outcome.ConnectionMark&testMark != 0; marked != j.connectionMarked {
		t.Errorf("%s: the connection is marked: %v, want %v", j.packet, marked, j.connectionMarked)
	}
}

// Whatever a firewall is made of, what must never leave in plain text is dropped or goes through the mesh.
func TestClosed(t *testing.T) {
	for name, fw := range firewalls() {
		if name == "custom-names" { // whose interfaces the topology does not have
			continue
		}
		tracer := tracerOf(t, fw)
		for _, f := range families() {
			if !hasFamily(fw, f) {
				continue
			}
			for _, c := range []crossing{
				{from: "pod", packet: "pod:5000 > otherNode:7"},
				{from: "pod", packet: "pod:5000 > pod:7"},
				{from: "mesh", packet: "remotePod:5000 > otherNode:7"},
			} {
				p := c.virtual(f)
				p.Out = "eth0"
				if outcome := tracer.Trace(p); outcome.Dropped == nil {
					t.Errorf("%s, %s: %s over the underlay %v", name, f.name, c.packet, outcome)
				}
			}
		}
	}
}

func hasFamily(fw mesh.Firewall, f family) bool { return slices.Contains(fw.NodeIPs, f.otherNode) }

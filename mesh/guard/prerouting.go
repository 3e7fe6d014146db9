package guard

import (
	"slices"

	"warren.mesh/mesh/nft"
)

// The priorities of the chains that judge what comes in by its interface. They come before connection tracking puts
// fragments together (NF_IP_PRI_CONNTRACK_DEFRAG, −400), at the kernel's own place for that
// (NF_IP_PRI_RAW_BEFORE_DEFRAG): the whole datagram has the interface of the fragment that came last, whoever sent the
// others. All fragments have addresses, and only the first one has ports, so no rule there may ask for ports.
const (
	spoofPriority   = "-450"
	inboundPriority = "-440"
)

// guardSpoof comes before routing and before connection tracking: strict rp_filter would drop most of this uncounted,
// and a forged RST would end what conntrack knows of a connection. An IPv6 link-local or unspecified source belongs to
// neighbour discovery and is never forwarded (RFC 4291, section 2.5.6); 0.0.0.0 belongs to DHCP, and IPv4's forwarding
// drops it as a martian. Where br_netfilter is on, what the bridge carries from pod to pod comes through here too, and
// the same rules hold for it.
//
// The underlay never carries a pod's address as source: pods reach the outside by masquerade, and pods and nodes
// elsewhere through the mesh. Under loose or no rp_filter, anybody on the underlay could otherwise speak in a pod's
// name to pods, to this node and through it to the whole mesh, past WireGuard's check of who sends from which address.
func (r ruleset) guardSpoof() nft.Chain {
	pod := "iifname " + r.bridge
	spoofed := "from a pod, source not in this node's pod CIDRs: drop"
	reason := "from the underlay, with a pod's address as source: drop"
	return nft.Chain{
		Name: "guard-spoof", Comment: "pods send from their own addresses, and nobody else does",
		Type: "filter", Hook: "prerouting", Priority: spoofPriority,
		Rules: slices.Concat(
			[]nft.Rule{
				{Text: pod + " ip saddr != 0.0.0.0 ip saddr != @local-pods4" + drop(spoofedByPod), Reason: spoofed},
				{
					Text:   pod + " ip6 saddr != { ::, fe80::/10 } ip6 saddr != @local-pods6" + drop(spoofedByPod),
					Reason: spoofed,
				},
			},
			r.ofPods("IP saddr @PODS iifname != "+r.near+drop(spoofedOnUnderlay), reason),
		),
	}
}

// guardInbound drops what is sent to a pod but comes neither out of the mesh nor from this node: on the underlay
// anybody may send in anybody's name, a mesh node's too, and a packet to a remote pod would be masqueraded and relayed
// into the mesh. It comes before the translation of destinations, so that host ports, NodePorts and answers to what was
// masqueraded are not its business: they go to a node's address. Before connection tracking, too: a forged packet must
// not join a connection. This node's gateway addresses are in the pod CIDRs and guarded with them.
//
// Sources in plainFrom are let through, but not in the name of a mesh node, which has no reason to send plain text.
func (r ruleset) guardInbound() nft.Chain {
	plain := "IP daddr @PODS iifname != " + r.near
	c := nft.Chain{
		Name: "guard-inbound", Comment: "to pods: out of the mesh or from this node only",
		Type: "filter", Hook: "prerouting", Priority: inboundPriority,
	}
	if !r.plainFrom {
		c.Rules = r.ofPods(plain+drop(plainToPod), "to a pod, in plain text from outside the mesh: drop")
		return c
	}
	c.Rules = slices.Concat(
		r.ofPods(plain+" IP saddr @"+nodeIPsSet+"#"+drop(plainToPod),
			"to a pod, in plain text in a mesh node's name: drop"),
		r.ofPods(plain+" IP saddr != @"+plainFromSet+"#"+drop(plainToPod),
			"to a pod, in plain text, source not in plain-from: drop"),
	)
	return c
}

// underlayPath marks both directions of a connection that a node opened over the underlay to a hostPort or NodePort
// here. Routing by that mark sends the answers back the way the request came; the policy rule for pod sources would
// send them into the mesh. The request is marked for the reverse path check, which looks up the answer's route with the
// request's mark. The mark is the connection's, not that of every translated reply: the answers of a connection that
// came in through the mesh go back through the mesh.
func (r ruleset) underlayPath() nft.Chain {
	setMark := " meta mark set meta mark or " + r.mark
	return nft.Chain{
		Name: "underlay-path", Comment: "answers to a hostPort or NodePort request go back the way it came",
		Type: "filter", Hook: "prerouting", Priority: "dstnat+10",
		Rules: slices.Concat(
			[]nft.Rule{{Text: "ct status and dnat == 0 accept", Reason: "not translated, as most: nothing to mark"}},
			r.toNodes("iifname != "+r.near+" ct direction original ct status dnat IP saddr @NODES"+
				" ct mark set ct mark or "+r.mark+setMark,
				"a node's request over the underlay, translated: mark the connection"),
			[]nft.Rule{{
				Text:   "iifname " + r.inside + " " + r.answered + setMark,
				Reason: "its answer: mark it, to go back over the underlay",
			}},
		),
	}
}

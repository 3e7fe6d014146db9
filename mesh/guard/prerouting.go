package guard

import (
	"slices"

	"warren.mesh/mesh/nft"
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
		Type: "filter", Hook: "prerouting", Priority: "raw",
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

package guard

import (
	"fmt"
	"slices"

	"warren.mesh/mesh/nft"
)

// guardIn keeps WireGuard's packets out of WireGuard on the receiving side: the device would otherwise learn a pod
// address as the endpoint of a peer that sends from one for a moment, and send to it inside the tunnel. What comes over
// the underlay from such an address has been dropped by guardSpoof.
func (r ruleset) guardIn() nft.Chain {
	return nft.Chain{
		Name: "guard-in", Comment: "no WireGuard from inside the mesh",
		Type: "filter", Hook: "input", Priority: "filter-10",
		Rules: []nft.Rule{{
			Text:   "iifname " + r.inside + fmt.Sprintf(" udp dport %d", r.port) + drop(loop),
			Reason: "WireGuard from a pod or out of the mesh: drop",
		}},
	}
}

// guardForward drops what comes from pods, or out of the mesh, and would reach a node over the underlay. It goes by
// interface, where guardOut goes by source.
func (r ruleset) guardForward() nft.Chain {
	return nft.Chain{
		Name: "guard-forward", Comment: "from pods and the mesh to nodes: via the mesh only",
		Type: "filter", Hook: "forward", Priority: "filter+10",
		Rules: slices.Concat(
			[]nft.Rule{
				{Text: "oifname " + r.inside + " accept", Reason: "into the mesh or to a pod here"},
				{Text: "iifname != " + r.inside + " accept", Reason: "not from a pod, not out of the mesh"},
				{Text: r.answered + " accept", Reason: "answer to a request over the underlay"},
			},
			r.toNodes("IP daddr @NODES"+drop(leakNode), "pod or mesh to a mesh node, not via the mesh: drop"),
		),
	}
}

// guardOut is in postrouting and not in output: there the outgoing interface is the one from before the translation of
// a Service's address, and a host's packet to a remote pod behind it would be dropped. Sources are still the senders':
// translation comes ten later.
func (r ruleset) guardOut() nft.Chain {
	outer := fmt.Sprintf("udp sport %d fib saddr type local", r.port)
	strangers := ""
	for _, set := range r.pods {
		strangers += " IP saddr != @" + set + "# IP daddr != @" + set + "#"
	}
	return nft.Chain{
		Name: "guard-out", Comment: "to pods, and from pods to nodes: via the mesh only",
		Type: "filter", Hook: "postrouting", Priority: "srcnat-10",
		Rules: slices.Concat(
			both("oifname != "+r.link+strangers+" accept",
				"not into the mesh, and neither end a pod: as WireGuard's own packets"),
			[]nft.Rule{{
				Text:   "oifname " + r.link + " " + outer + drop(loop),
				Reason: "WireGuard about to enter the mesh: drop",
			}},
			both("IP saddr @local-pods# "+outer+drop(loop), "WireGuard with a pod CIDR's address as source: drop"),
			[]nft.Rule{{Text: "oifname " + r.near + " accept", Reason: "into the mesh, to a pod here or to this host"}},
			r.ofPods("IP daddr @PODS"+drop(leakPod), "to a pod, not via the mesh or the bridge: drop"),
			[]nft.Rule{{Text: r.answered + " accept", Reason: "answer to a request over the underlay"}},
			r.toNodes("IP saddr @local-pods# IP daddr @NODES"+drop(leakNode),
				"pod to a mesh node, not via the mesh: drop"),
		),
	}
}

// guardSource comes after the translation of sources and drops what the translation let pass: packets that connection
// tracking calls invalid or does not track. Answers to sources in plainFrom are as plain as the requests were: the core
// sees to it that none of those is in a node CIDR, and guardOut has dropped what goes to mesh nodes.
func (r ruleset) guardSource() nft.Chain {
	var answers []nft.Rule
	if r.plainFrom {
		answers = both("IP daddr @"+plainFromSet+"# ct direction reply accept", "answer to plain text from plain-from")
	}
	reason := "a pod's address as source, not masqueraded: drop"
	return nft.Chain{
		Name: "guard-source", Comment: "no pod's address as source on the underlay",
		Type: "filter", Hook: "postrouting", Priority: "srcnat+10",
		Rules: append(answers, r.ofPods("IP saddr @PODS oifname != "+r.near+drop(leakSource), reason)...),
	}
}

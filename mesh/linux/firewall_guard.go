package linux

import (
	"fmt"
	"slices"

	"sigs.k8s.io/knftables"
)

// guardIn keeps WireGuard's packets out of WireGuard on the receiving side: else a peer that for a moment sends from a
// pod address would become known by it, and be sent to inside the tunnel. Those that come over the underlay from such an
// address guardSpoof has dropped.
func (r ruleset) guardIn() chain {
	toDevice := fmt.Sprintf("udp dport %d", r.port)
	reason := "WireGuard from a pod or out of the mesh: drop"
	return chain{
		name: "guard-in", comment: "no WireGuard from inside the mesh",
		typ: knftables.FilterType, hook: knftables.InputHook, priority: knftables.FilterPriority + "-10",
		rules: []rule{{"iifname " + r.inside + " " + toDevice + drop(loop), reason}},
	}
}

// guardForward drops what comes from pods, or out of the mesh, and would reach a node over the underlay. By interface,
// where guardOut goes by source.
func (r ruleset) guardForward() chain {
	return chain{
		name: "guard-forward", comment: "from pods and the mesh to nodes: via the mesh only",
		typ: knftables.FilterType, hook: knftables.ForwardHook, priority: knftables.FilterPriority + "+10",
		rules: slices.Concat(
			[]rule{
				{"oifname " + r.inside + " accept", "into the mesh or to a pod here"},
				{"iifname != " + r.inside + " accept", "not from a pod, not out of the mesh"},
				{r.answered + " accept", "answer to a request over the underlay"},
			},
			r.toNodes("IP daddr @NODES"+drop(leakNode), "pod or mesh to a mesh node, not via the mesh: drop"),
		),
	}
}

// guardOut is in postrouting and not in output: there the outgoing interface is the one from before the translation of a
// Service's address, and a host's packet to a remote pod behind it would be dropped. Sources are still the senders':
// translation comes ten later.
func (r ruleset) guardOut() chain {
	outer := fmt.Sprintf("udp sport %d fib saddr type local", r.port)
	strangers := ""
	for _, set := range r.pods {
		strangers += " IP saddr != @" + set + "# IP daddr != @" + set + "#"
	}
	return chain{
		name: "guard-out", comment: "to pods, and from pods to nodes: via the mesh only",
		typ: knftables.FilterType, hook: knftables.PostroutingHook, priority: knftables.SNATPriority + "-10",
		rules: slices.Concat(
			both("oifname != "+r.link+strangers+" accept", "not into the mesh, and neither end a pod: as WireGuard's own packets"),
			[]rule{{"oifname " + r.link + " " + outer + drop(loop), "WireGuard about to enter the mesh: drop"}},
			both("IP saddr @own# "+outer+drop(loop), "WireGuard with a pod CIDR's address as source: drop"),
			[]rule{{"oifname " + r.near + " accept", "into the mesh, to a pod here or to this host"}},
			r.ofPods("IP daddr @PODS"+drop(leakPod), "to a pod, not via the mesh or the bridge: drop"),
			[]rule{{r.answered + " accept", "answer to a request over the underlay"}},
			r.toNodes("IP saddr @own# IP daddr @NODES"+drop(leakNode), "pod to a mesh node, not via the mesh: drop"),
		),
	}
}

// guardSource comes after the translation of sources and drops what it let pass: packets that connection tracking
// calls invalid, or keeps no track of.
func (r ruleset) guardSource() chain {
	reason := "a pod's address as source, not masqueraded: drop"
	return chain{
		name: "guard-source", comment: "no pod's address as source on the underlay",
		typ: knftables.FilterType, hook: knftables.PostroutingHook, priority: knftables.SNATPriority + "+10",
		rules: r.ofPods("IP saddr @PODS oifname != "+r.near+drop(leakSource), reason),
	}
}

package linux

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sigs.k8s.io/knftables"

	"warren.mesh/mesh"
)

// ruleset writes the rules' text. Every packet passes most of them, WireGuard's own too, and most match nothing: so a rule begins with what
// costs little and fails for WireGuard's packets on the underlay, which are the bulk. The interfaces and the port are the same in all of them.
type ruleset struct {
	// link and bridge are quoted; inside matches both of them, near loopback as well.
	link, bridge, inside, near string
	port                       uint16
	mark                       string
	// answered matches the answers of connections that underlayPath marked.
	answered string
	// nodes are the sets of node addresses, pods those of pod CIDRs, without the family's number.
	nodes, pods []string
}

func rulesetOf(fw mesh.Firewall) ruleset {
	r := ruleset{
		link: quote(fw.Link), bridge: quote(fw.Bridge),
		port: fw.Port, mark: fmt.Sprintf("%#08x", fw.Mark), nodes: []string{nodesSet}, pods: []string{clusterSet},
	}
	// The core has them inside. Should it ever not, they are guarded all the same.
	if !inside(fw.OwnCIDRs, fw.ClusterCIDRs) {
		r.pods = append(r.pods, ownSet)
	}
	r.inside = "{ " + r.link + ", " + r.bridge + " }"
	r.near = `{ "lo", ` + r.link + ", " + r.bridge + " }"
	r.answered = "ct status dnat ct direction reply ct mark and " + r.mark + " != 0"
	if len(fw.NodeCIDRs) > 0 {
		r.nodes = append(r.nodes, nodeCIDRsSet)
	}
	return r
}

// inside reports whether each of the prefixes is part of one of the ranges.
func inside(prefixes, ranges []netip.Prefix) bool {
	return !slices.ContainsFunc(prefixes, func(p netip.Prefix) bool {
		return !slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Bits() <= p.Bits() && r.Contains(p.Addr()) })
	})
}

func quote(name string) string { return `"` + name + `"` }

// chainsOf are the chains in the order in which a packet meets them.
func chainsOf(fw mesh.Firewall) []chain {
	r := rulesetOf(fw)
	chains := []chain{r.guardSpoof(), r.underlayPath(), r.guardIn(), r.guardForward(), r.guardOut(), r.snatOut(), r.guardSource()}
	inline := inlinerOf(fw)
	for _, c := range chains {
		for i := range c.rules {
			c.rules[i].text = inline.Replace(c.rules[i].text)
		}
	}
	return chains
}

// inlinerOf writes a prefix in the place of a set that holds nothing else, as nearly all clusters' do: the kernel compares in a tenth of
// the time that a look into a set of intervals takes.
func inlinerOf(fw mesh.Firewall) *strings.Replacer {
	var pairs []string
	for set, prefixes := range map[string][]netip.Prefix{clusterSet: fw.ClusterCIDRs, ownSet: fw.OwnCIDRs} {
		for number, v4 := range map[string]bool{"4": true, "6": false} {
			of := slices.DeleteFunc(slices.Clone(prefixes), func(p netip.Prefix) bool { return p.Addr().Is4() != v4 })
			if len(of) == 1 {
				pairs = append(pairs, "@"+set+number, of[0].String())
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

// both is a rule for each address family. In the text "IP" is the protocol, and "@NAME#" the family's set.
func both(text, reason string) []rule {
	return []rule{
		{strings.NewReplacer("IP ", "ip ", "#", "4").Replace(text), reason},
		{strings.NewReplacer("IP ", "ip6 ", "#", "6").Replace(text), reason},
	}
}

// toNodes is a rule for each set of node addresses and each family, NODES in the text being the set.
func (r ruleset) toNodes(text, reason string) []rule {
	var rules []rule
	for _, set := range r.nodes {
		rules = append(rules, both(strings.ReplaceAll(text, "@NODES", "@"+set+"#"), reason)...)
	}
	return rules
}

// ofPods is a rule for each set of pod CIDRs and each family, PODS in the text being the set.
func (r ruleset) ofPods(text, reason string) []rule {
	var rules []rule
	for _, set := range r.pods {
		rules = append(rules, both(strings.ReplaceAll(text, "@PODS", "@"+set+"#"), reason)...)
	}
	return rules
}

// drop counts what it drops.
func drop(counter string) string { return fmt.Sprintf(" counter name %q drop", counter) }

// guardSpoof is before routing, and before connection tracking: strict rp_filter would drop most of it uncounted, and a
// forged RST would end what conntrack knows of a connection. An IPv6 link-local or unspecified source is neighbour
// discovery's and is never forwarded (RFC 4291, section 2.5.6); 0.0.0.0 is DHCP's, and a martian to IPv4's forwarding. What
// the bridge carries from pod to pod comes through here too where br_netfilter is on, and fares alike.
//
// The underlay never carries a pod's address as source: pods reach the outside by masquerade, and pods and nodes elsewhere
// through the mesh. Under loose or no rp_filter, whoever is on the underlay could otherwise speak to pods, to this node and
// through it to the whole mesh in a pod's name, past WireGuard's check of who sends from where.
func (r ruleset) guardSpoof() chain {
	spoofed := "from a pod, source not in this node's pod CIDRs: drop"
	reason := "from the underlay, with a pod's address as source: drop"
	return chain{
		name: "guard-spoof", comment: "pods send from their own addresses, and nobody else does",
		typ: knftables.FilterType, hook: knftables.PreroutingHook, priority: knftables.RawPriority,
		rules: slices.Concat(
			[]rule{
				{"iifname " + r.bridge + " ip saddr != 0.0.0.0 ip saddr != @own4" + drop(spoof), spoofed},
				{"iifname " + r.bridge + " ip6 saddr != { ::, fe80::/10 } ip6 saddr != @own6" + drop(spoof), spoofed},
			},
			r.ofPods("IP saddr @PODS iifname != "+r.near+drop(forged), reason),
		),
	}
}

// underlayPath marks both directions of a connection that a node opened over the underlay to a hostPort or NodePort here.
// Routing by that mark sends the answers back the way the request came; the policy rule for pod sources would send them
// into the mesh. The request is marked for the reverse path check, which looks the answer's route up with the
// request's mark. It is the connection that is marked, not every reply that was translated: one that came in through the
// mesh goes back through the mesh.
func (r ruleset) underlayPath() chain {
	rules := slices.Concat(
		[]rule{{"ct status and dnat == 0 accept", "not translated, as most: nothing to mark"}},
		r.toNodes("iifname != "+r.near+" ct direction original ct status dnat IP saddr @NODES ct mark set ct mark or "+r.mark+
			" meta mark set meta mark or "+r.mark, "a node's request over the underlay, translated: mark the connection"),
		[]rule{{"iifname " + r.inside + " " + r.answered + " meta mark set meta mark or " + r.mark, "its answer: mark it, to go back over the underlay"}},
	)
	return chain{
		name: "underlay-path", comment: "answers to a hostPort or NodePort request go back the way it came",
		typ: knftables.FilterType, hook: knftables.PreroutingHook, priority: knftables.DNATPriority + "+10",
		rules: rules,
	}
}

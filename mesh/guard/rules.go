package guard

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"warren.mesh/mesh"
	"warren.mesh/mesh/nft"
)

// ruleset writes the rules' text. Every packet passes most of them, WireGuard's own packets too, and most match
// nothing. So a rule begins with what costs little and fails for WireGuard's packets on the underlay, which are the
// bulk. The interfaces and the port are the same in all rules.
type ruleset struct {
	// link and bridge are quoted; inside matches both of them, near loopback as well.
	link, bridge, inside, near string
	port                       uint16
	mark                       string
	// answered matches the answers of connections that underlayPath marked.
	answered string
	// nodes are the sets of node addresses, pods those of pod CIDRs, without the family's number.
	nodes, pods []string
	// plainFrom says that plain text from some sources may reach pods.
	plainFrom bool
}

func rulesetOf(fw mesh.Firewall) ruleset {
	r := ruleset{
		link: quote(fw.Link), bridge: quote(fw.Bridge),
		port: fw.Port, mark: fmt.Sprintf("%#08x", fw.Mark), nodes: []string{nodeIPsSet}, pods: []string{clusterSet},
	}
	// The core has them inside. If it ever has not, they are guarded all the same.
	if !inside(fw.OwnCIDRs, fw.ClusterCIDRs) {
		r.pods = append(r.pods, localPodsSet)
	}
	r.inside = "{ " + r.link + ", " + r.bridge + " }"
	r.near = `{ "lo", ` + r.link + ", " + r.bridge + " }"
	r.answered = "ct status dnat ct direction reply ct mark and " + r.mark + " != 0"
	r.plainFrom = len(fw.PlainFrom) > 0
	if len(fw.NodeCIDRs) > 0 {
		r.nodes = append(r.nodes, nodeCIDRsSet)
	}
	return r
}

// inside reports whether each of the prefixes is part of one of the ranges.
func inside(prefixes, ranges []netip.Prefix) bool {
	return !slices.ContainsFunc(prefixes, func(p netip.Prefix) bool {
		return !slices.ContainsFunc(ranges, func(r netip.Prefix) bool {
			return r.Bits() <= p.Bits() && r.Contains(p.Addr())
		})
	})
}

func quote(name string) string { return `"` + name + `"` }

// chainsOf returns the chains in the order in which a packet meets them.
func chainsOf(fw mesh.Firewall) []nft.Chain {
	r := rulesetOf(fw)
	chains := []nft.Chain{
		r.guardSpoof(), r.guardInbound(), r.wireguardIn(), r.underlayPath(), r.guardIn(), r.guardForward(),
		r.wireguardOut(), r.guardOut(), r.snatOut(), r.guardSource(),
	}
	inline := inlinerOf(fw)
	for _, c := range chains {
		for i := range c.Rules {
			c.Rules[i].Text = inline.Replace(c.Rules[i].Text)
		}
	}
	return chains
}

// inlinerOf writes a prefix in the place of a set that holds nothing else, as in nearly all clusters: the kernel
// compares in a tenth of the time that it takes to look into a set of intervals.
func inlinerOf(fw mesh.Firewall) *strings.Replacer {
	var pairs []string
	for set, prefixes := range map[string][]netip.Prefix{clusterSet: fw.ClusterCIDRs, localPodsSet: fw.OwnCIDRs} {
		for number, v4 := range map[string]bool{"4": true, "6": false} {
			of := slices.DeleteFunc(slices.Clone(prefixes), func(p netip.Prefix) bool { return p.Addr().Is4() != v4 })
			if len(of) == 1 {
				pairs = append(pairs, "@"+set+number, of[0].String())
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

// both returns a rule for each address family. In the text "IP" stands for the protocol, and "@NAME#" for the family's
// set.
func both(text, reason string) []nft.Rule {
	return []nft.Rule{
		{Text: strings.NewReplacer("IP ", "ip ", "#", "4").Replace(text), Reason: reason},
		{Text: strings.NewReplacer("IP ", "ip6 ", "#", "6").Replace(text), Reason: reason},
	}
}

// toNodes returns a rule for each set of node addresses and each family; "@NODES" in the text stands for the set.
func (r ruleset) toNodes(text, reason string) []nft.Rule {
	return forEach(r.nodes, "@NODES", text, reason)
}

// ofPods returns a rule for each set of pod CIDRs and each family; "@PODS" in the text stands for the set.
func (r ruleset) ofPods(text, reason string) []nft.Rule {
	return forEach(r.pods, "@PODS", text, reason)
}

func forEach(sets []string, placeholder, text, reason string) (rules []nft.Rule) {
	for _, set := range sets {
		rules = append(rules, both(strings.ReplaceAll(text, placeholder, "@"+set+"#"), reason)...)
	}
	return rules
}

// drop counts what it drops.
func drop(counter string) string { return fmt.Sprintf(" counter name %q drop", counter) }

package policy

import (
	"strings"

	"warren.mesh/mesh/nft"
)

// Table identifies the table: "nft list table inet warren-policy" shows it.
var Table = nft.ID{Family: "inet", Name: "warren-policy"}

// origin is that of all tables of this form. What pods and policies make of the table is in sets, maps and chains whose
// names follow from their content.
const origin = "pods of warren-br0"

// The counters, in packets.
const (
	// CounterUnknown counts packets of pods of this node that are not known, or not yet, and what pods send from
	// link-local addresses, which are bound to none.
	CounterUnknown = "unknown"
	// CounterStray counts packets of no connection with an isolated pod at one end.
	CounterStray = "stray"
	// CounterEgress counts what no egress rule of the client's policies lets through, CounterIngress what no ingress
	// rule of the server's does.
	CounterEgress  = "denied-egress"
	CounterIngress = "denied-ingress"
)

// The sets that rules fill, a 4 or a 6 behind the name: Fresh caches connections that were let through, Refused
// remembers who was refused what, as client . server . protocol . port.
const (
	Fresh   = "fresh"
	Refused = "refused"
)

// fixedLayout returns the table without pods and policies.
func fixedLayout() nft.Layout {
	l := nft.Layout{
		ID: Table, Origin: origin,
		Comment: "NetworkPolicies of this node's pods; made by the warren daemon, which undoes edits",
		Counters: []nft.Counter{
			{Name: CounterUnknown, Comment: "dropped: a pod of this node that is not known, or not yet"},
			{Name: CounterStray, Comment: "dropped: no connection, and an isolated pod at one end"},
			{Name: CounterEgress, Comment: "dropped: no egress rule of the client's policies lets it through"},
			{Name: CounterIngress, Comment: "dropped: no ingress rule of the server's policies lets it through"},
		},
		Chains: []nft.Chain{forwardChain(), inputChain(), oddChain()},
	}
	for _, f := range families {
		in := strings.NewReplacer("FAMILY", f.word, "ADDR", f.kind, "#", f.suffix).Replace
		l.Sets = append(l.Sets, fixedSets(in)...)
		for name, of := range map[string]string{"from": "as a client", "to": "as a server"} {
			l.Maps = append(l.Maps, nft.Map{
				Name: name + f.suffix, Type: f.kind + " : verdict", Comment: "what applies to an isolated pod " + of,
			})
		}
		l.Chains = append(l.Chains, familyChains(in)...)
	}
	sortByName(l.Maps, func(m nft.Map) string { return m.Name })
	l.Chains = append(l.Chains, redirectsChain())
	return l
}

func fixedSets(in func(string) string) []nft.Set {
	return []nft.Set{
		{
			Name: in(Refused + "#"), Type: in("ADDR . ADDR . inet_proto . inet_service"), Dynamic: true, Timeout: 300,
			Size: 4096, Comment: "who was refused what, and how often: client . server . protocol . port",
		},
		{
			Name: in(
				Fresh + "#",
			),
			Typeof:  in("ct id . ct original FAMILY saddr . ct reply FAMILY saddr"),
			Dynamic: true,
			Timeout: 120,
			Size:    65536,
			Comment: "connections that were let through, since anything was withdrawn",
		},
		{Name: in("pods#"), Type: in("ADDR"), Comment: "pods of this node"},
		{Name: in("clients#"), Type: in("ADDR"), Comment: "those that are isolated as clients"},
		{Name: in("servers#"), Type: in("ADDR"), Comment: "those that are isolated as servers"},
		{Name: in("self#"), Type: in("ADDR . ADDR"), Comment: "each pod and itself"},
	}
}

func forwardChain() nft.Chain {
	return nft.Chain{
		Name: "forward", Type: "filter", Hook: "forward", Priority: "filter-20",
		Comment: "from and to pods of this node",
		Rules: []nft.Rule{
			{Text: "ct state invalid,untracked,related jump odd", Reason: "no connection of its own"},
			{Text: `iifname "warren-br0" ip saddr != @pods4 counter name "unknown" drop`, Reason: "from no known pod"},
			{Text: `iifname "warren-br0" ip6 saddr != @pods6 counter name "unknown" drop`, Reason: "from no known pod"},
			{Text: `oifname "warren-br0" ip daddr != @pods4 counter name "unknown" drop`, Reason: "to no known pod"},
			{Text: `oifname "warren-br0" ip6 daddr != @pods6 counter name "unknown" drop`, Reason: "to no known pod"},
			{Text: "ct original ip saddr @clients4 goto judge4", Reason: "from an isolated pod, or an answer to it"},
			{Text: "ct reply ip saddr @servers4 goto judge4", Reason: "to an isolated pod, or an answer of it"},
			{Text: "ct original ip6 saddr @clients6 goto judge6", Reason: "from an isolated pod, or an answer to it"},
			{Text: "ct reply ip6 saddr @servers6 goto judge6", Reason: "to an isolated pod, or an answer of it"},
		},
	}
}

// inputChain is asked what pods send to their own node. Answers to what the node asked them are not new, and have the
// node as client.
//
// Link-local addresses are bound to no pod, so policies cannot judge them: a pod opens no connection from one. What a
// pod sends from there is no part of a connection, and odd lets through what finds neighbours and routers.
func inputChain() nft.Chain {
	return nft.Chain{
		Name: "input", Type: "filter", Hook: "input", Priority: "filter-20",
		Comment: "from a pod to its own node; what the node sends does not come here",
		Rules: []nft.Rule{
			{Text: `iifname != "warren-br0" accept`, Reason: "not from a pod"},
			{Text: "ct state invalid,untracked,related jump odd", Reason: "no connection of its own"},
			{Text: `ct state new ip saddr != @pods4 counter name "unknown" drop`, Reason: "from no known pod"},
			{
				Text:   `ct direction original ip6 saddr fe80::/10 counter name "unknown" drop`,
				Reason: "link-local: whose it is nobody knows",
			},
			{Text: `ct state new ip6 saddr != @pods6 counter name "unknown" drop`, Reason: "from no known pod"},
			{Text: "ct original ip saddr @clients4 goto judge4", Reason: "from an isolated pod"},
			{Text: "ct original ip6 saddr @clients6 goto judge6", Reason: "from an isolated pod"},
		},
	}
}

// oddChain lets neighbour discovery through on its link alone, whose hop limit nobody has counted down: what was routed
// has less (RFC 4861, section 7.1). With br_netfilter the bridge's comes here too.
func oddChain() nft.Chain {
	return nft.Chain{
		Name: "odd", Comment: "packets that are no part of a connection",
		Rules: []nft.Rule{
			{Text: "icmpv6 type nd-router-solicit ip6 hoplimit 255 accept", Reason: "a pod's, which nobody answers"},
			{Text: "icmpv6 type nd-neighbor-solicit ip6 hoplimit 255 accept", Reason: "a pod's, or the bridge's"},
			{Text: "icmpv6 type nd-neighbor-advert ip6 hoplimit 255 accept", Reason: "a pod's, or the bridge's"},
			{Text: "ct state related meta l4proto icmp accept", Reason: "an error of a connection"},
			{Text: "ct state related meta l4proto ipv6-icmp accept", Reason: "an error of a connection"},
			{Text: "ct state related return", Reason: "judged as a connection"},
			{
				Text:   `ip6 saddr fe80::/10 counter name "unknown" drop`,
				Reason: "link-local: whose it is nobody knows",
			},
			{Text: `ip saddr @clients4 counter name "stray" drop`, Reason: "an isolated pod"},
			{Text: `ip daddr @servers4 counter name "stray" drop`, Reason: "an isolated pod"},
			{Text: `ip6 saddr @clients6 counter name "stray" drop`, Reason: "an isolated pod"},
			{Text: `ip6 daddr @servers6 counter name "stray" drop`, Reason: "an isolated pod"},
		},
	}
}

func familyChains(in func(string) string) []nft.Chain {
	const tuple = "ct id . ct original FAMILY saddr . ct reply FAMILY saddr"
	judge := nft.Chain{
		Name: in("judge#"), Comment: "an isolated pod is at one end, or at both",
		Rules: []nft.Rule{
			{Text: in(tuple + " @fresh# accept"), Reason: "let through before, and nothing was withdrawn since"},
			{Text: in("ct original FAMILY saddr vmap @from#"), Reason: "the client's policies"},
			{Text: in("ct reply FAMILY saddr vmap @to#"), Reason: "the server's policies"},
			{Text: in("update @fresh# { " + tuple + " }"), Reason: "let through"},
		},
	}
	chains := []nft.Chain{judge}
	for _, direction := range []string{"egress", "ingress"} {
		refuse := nft.Chain{
			Name:    in("refuse-" + direction + "-#"),
			Comment: "no " + direction + " rule lets it through",
		}
		refuse.Rules = append(refuse.Rules, nft.Rule{
			Text:   in("ct original FAMILY saddr . ct reply FAMILY saddr @self# return"),
			Reason: "a pod reaches itself, also by way of a Service",
		})
		for _, protocol := range []string{"tcp", "udp", "sctp"} {
			refuse.Rules = append(refuse.Rules, nft.Rule{
				Text: in("meta l4proto " + protocol + " update @refused# { ct original FAMILY saddr . " +
					"ct reply FAMILY saddr . meta l4proto . ct reply proto-src counter }"), Reason: "remembered",
			})
		}
		drop := nft.Rule{Text: `counter name "denied-` + direction + `" drop`, Reason: "refused"}
		refuse.Rules = append(refuse.Rules, drop)
		chains = append(chains, refuse)
	}
	return chains
}

// redirectsChain keeps the kernel from telling pods of a shorter way to each other, which is not theirs to go.
func redirectsChain() nft.Chain {
	return nft.Chain{
		Name:     "no-redirects",
		Type:     "filter",
		Hook:     "output",
		Priority: "filter",
		Comment:  "pods talk through this node",
		Rules: []nft.Rule{
			{Text: `oifname "warren-br0" icmp type redirect drop`, Reason: "there is no shorter way"},
			{Text: `oifname "warren-br0" icmpv6 type nd-redirect drop`, Reason: "there is no shorter way"},
		},
	}
}

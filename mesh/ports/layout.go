package ports

import (
	"fmt"

	"warren.mesh/mesh/nft"
)

// Table is the table that Layout is of.
var Table = nft.ID{Family: "bridge", Name: "warren"}

// The counters. Their names are labels of a metric and stable.
const (
	Spoofed = "spoofed"
	Beside  = "beside"
	Unknown = "unknown"
)

// Layout returns the table for the bridge, with the pods that are known, in any order. The table leaves frames of other
// bridges alone.
//
// A frame from a port without a known pod does not reach the ports that have one, and does not reach this host by the
// bridge's address. Two ports without a known pod do not reach each other once both are among b.Ports: the rules cannot
// ask for a frame's bridge, because not every kernel has the module nft_meta_bridge.
func Layout(b Bridge, pods []Port) nft.Layout {
	l := nft.Layout{
		ID:      Table,
		Comment: "warren: each port of the bridge speaks for its own pod",
		Origin:  "bridge " + b.Name,
		Counters: []nft.Counter{
			{Name: Spoofed, Comment: "dropped: a pod in another's name, or by a protocol that pods do not speak"},
			{Name: Beside, Comment: "dropped: from pod to pod past IP"},
			{Name: Unknown, Comment: "dropped: from a port of which no pod is known (yet)"},
		},
		Sets: []nft.Set{
			{Name: portsSet, Type: "ifname", Comment: "ports of the bridge with a known pod"},
			{Name: podlessSet, Type: "ifname", Comment: "ports of the bridge of which no pod is known (yet)"},
			{Name: macSet, Type: "ifname . ether_addr", Comment: "the pod's hardware address"},
			{Name: bound4Set, Type: "ifname . ether_addr . ipv4_addr", Comment: "the pod's IPv4 address"},
			{Name: bound6Set, Type: "ifname . ether_addr . ipv6_addr", Comment: "the pod's IPv6 address"},
			{Name: target6Set, Typeof: "iifname . @nh,384,128", Comment: "what the pod may advertise"},
			{Name: option6Set, Typeof: "iifname . @th,192,64", Comment: "the pod's hardware address there"},
		},
		Chains: chains(formatMAC(b.MAC)),
	}
	for _, p := range pods {
		l.Elements = append(l.Elements, PortElements(p)...)
	}
	l.Elements = append(l.Elements, podlessElements(b.Ports, pods)...)
	return l
}

func chains(bridgeMAC string) []nft.Chain {
	return []nft.Chain{
		fromPods(), unknownPorts(bridgeMAC), resolution(), up6(), neighbour(), up(bridgeMAC), through(),
	}
}

func fromPods() nft.Chain {
	return nft.Chain{
		Name: "from-pods", Comment: "who sends what, before the bridge learns from it",
		Type: "filter", Hook: "prerouting", Priority: "dstnat",
		Rules: []nft.Rule{
			{Text: "iifname . ether saddr . ip saddr @bound4 goto up", Reason: "a pod in its own name"},
			{Text: "iifname . ether saddr . ip6 saddr @bound6 goto up6", Reason: "a pod in its own name"},
			{Text: "iifname != @ports goto unknown", Reason: "of another bridge, or no known pod"},
			{Text: "iifname . ether saddr != @mac " + drop(Spoofed), Reason: "in another's name, on any protocol"},
			{
				Text:   "ether type != { ip, ip6, arp } " + drop(Spoofed),
				Reason: "a tag or a protocol that pods do not speak",
			},
			{Text: "ether type arp goto resolution", Reason: "address resolution"},
			{
				Text:   "ip saddr 0.0.0.0 udp sport 68 udp dport 67 meta pkttype broadcast accept",
				Reason: "a DHCP client; nobody but this host gets it",
			},
			{
				Text: "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } " +
					"ip6 saddr :: goto up6",
				Reason: "duplicate address detection",
			},
			{
				Text:   "icmpv6 type { mld-listener-report, mld2-listener-report } ip6 saddr :: accept",
				Reason: "before the pod has an address",
			},
			{Text: "ip6 saddr fe80::/10 goto up6", Reason: "link-local: to this host, and to nobody else"},
			{Text: drop(Spoofed), Reason: "in another's name"},
		},
	}
}

func unknownPorts(bridgeMAC string) nft.Chain {
	return nft.Chain{
		Name: "unknown", Comment: "ports of other bridges, and those of this one of which no pod is known (yet)",
		Rules: []nft.Rule{
			{Text: "ether daddr " + bridgeMAC + " " + drop(Unknown), Reason: "to this host, by this bridge"},
			{Text: "accept", Reason: "to known pods it does not get: see through"},
		},
	}
}

func resolution() nft.Chain {
	return nft.Chain{
		Name: "resolution", Comment: "a pod asks and answers for itself",
		Rules: []nft.Rule{
			{Text: "arp htype != 1 " + drop(Spoofed), Reason: "not Ethernet"},
			{Text: "arp ptype != ip " + drop(Spoofed), Reason: "not IPv4"},
			{Text: "arp hlen != 6 " + drop(Spoofed), Reason: "addresses elsewhere than rules look"},
			{Text: "arp plen != 4 " + drop(Spoofed), Reason: "addresses elsewhere than rules look"},
			{Text: "iifname . arp saddr ether . arp saddr ip @bound4 accept", Reason: "its own address"},
			{
				Text:   "arp saddr ip 0.0.0.0 iifname . arp saddr ether @mac accept",
				Reason: "duplicate address detection",
			},
			{Text: drop(Spoofed), Reason: "another's address"},
		},
	}
}

func up6() nft.Chain {
	return nft.Chain{
		Name: "up6", Comment: "as up, but neighbour discovery stays on the bridge",
		Rules: []nft.Rule{
			{
				Text:   "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } goto neighbour",
				Reason: "who has an address",
			},
			{
				Text:   "icmpv6 type { nd-router-advert, nd-redirect, mld-listener-query } " + drop(Spoofed),
				Reason: "no pod is a router",
			},
			{Text: "goto up", Reason: "everything else"},
		},
	}
}

func neighbour() nft.Chain {
	return nft.Chain{
		Name: "neighbour", Comment: "a pod asks and answers for itself",
		Rules: []nft.Rule{
			{Text: "ether type != ip6 " + drop(Spoofed), Reason: "a tag that pods do not use"},
			{
				Text:   "ip6 nexthdr != ipv6-icmp " + drop(Spoofed),
				Reason: "a fragment, or another header: what rules look for is elsewhere",
			},
			{Text: "ip6 length > 32 " + drop(Spoofed), Reason: "more than one option: rules see the first only"},
			{
				Text:   "@th,192,8 { 1, 2 } iifname . @th,192,64 != @option6 " + drop(Spoofed),
				Reason: "another's hardware address",
			},
			{
				Text: "icmpv6 type nd-neighbor-advert @th,64,10 != 0x3fa iifname . @nh,384,128 != @target6 " +
					drop(Spoofed),
				Reason: "advertises another's address",
			},
			{Text: "accept", Reason: "its own; a link-local one passes no further than this host: see through"},
		},
	}
}

func up(bridgeMAC string) nft.Chain {
	return nft.Chain{
		Name: "up", Comment: "to this host's stack, whatever pod the frame is for: there the policies decide",
		Rules: []nft.Rule{
			{Text: "ether type != { ip, ip6 } " + drop(Spoofed), Reason: "a tag that pods do not use"},
			{
				Text:   "meta pkttype other ether daddr set " + bridgeMAC + " meta pkttype set host accept",
				Reason: "ebtables calls it redirect",
			},
			{Text: "igmp type membership-query " + drop(Spoofed), Reason: "no pod is a router"},
		},
	}
}

func through() nft.Chain {
	return nft.Chain{
		Name: "through", Comment: "what is left to the bridge: address resolution and neighbour discovery",
		Type: "filter", Hook: "forward", Priority: "filter",
		Rules: []nft.Rule{
			{Text: "iifname @podless oifname @podless " + drop(Unknown), Reason: "from no known pod to none"},
			{Text: "iifname != @ports oifname != @ports accept", Reason: "another bridge"},
			{Text: "iifname != @ports " + drop(Unknown), Reason: "to a pod, from no known one"},
			{Text: "ether type arp accept", Reason: "checked before"},
			{
				Text:   "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } @th,64,10 != 0x3fa accept",
				Reason: "checked before; pods do not speak by link-local addresses",
			},
			{
				Text:   "ether type { ip, ip6 } meta pkttype host oifname . ether daddr @mac accept",
				Reason: "translated by br_netfilter, for IP's forward hook",
			},
			{Text: drop(Beside), Reason: "multicast, broadcast, or the bridge's address has changed"},
		},
	}
}

func drop(counter string) string { return fmt.Sprintf("counter name %q drop", counter) }

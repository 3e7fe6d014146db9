package walls

import (
	"net/netip"

	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/ports"
)

// probePorts is the table of one port, with all that a real one has.
func probePorts(bridge string) nft.Layout {
	return ports.Layout(ports.Bridge{Name: bridge, MAC: [6]byte{2}, Ports: []string{"other"}}, []ports.Port{{
		Interface: "probe", MAC: [6]byte{2}, Addrs: []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()},
	}})
}

// probePolicy is a table with the kinds of rules that policies are made of, small enough to be tried at each start.
func probePolicy() nft.Layout {
	return nft.Layout{
		ID:       Policy,
		Counters: []nft.Counter{{Name: "denied"}},
		Sets: []nft.Set{
			{Name: "blocks", Type: "ipv4_addr", Interval: true},
			{
				Name: "fresh", Typeof: "ct id . ct original ip saddr . ct reply ip saddr", Dynamic: true, Timeout: 1,
				Size: 1,
			},
			{
				Name: "refused", Type: "ipv6_addr . ipv6_addr . inet_proto . inet_service", Dynamic: true, Timeout: 1,
				Size: 1,
			},
		},
		Maps: []nft.Map{{Name: "to", Type: "ipv4_addr : verdict"}},
		Chains: []nft.Chain{
			{Name: "profile", Rules: []nft.Rule{
				{Text: "meta l4proto sctp ct reply proto-src 80-90 ct original ip saddr @blocks return"},
				{Text: "meta l4proto { tcp, udp, sctp } update @refused { ct original ip6 saddr . " +
					"ct reply ip6 saddr . meta l4proto . ct reply proto-src counter }"},
				{Text: `counter name "denied" drop`},
			}},
			{Name: "judge", Type: "filter", Hook: "forward", Priority: "filter", Rules: []nft.Rule{
				{Text: "ct state invalid,untracked,related drop"},
				{Text: "ct id . ct original ip saddr . ct reply ip saddr @fresh accept"},
				{Text: "ct reply ip saddr vmap @to"},
				{Text: "update @fresh { ct id . ct original ip saddr . ct reply ip saddr }"},
			}},
		},
		Elements: []nft.Element{
			{Set: "blocks", Key: []string{"192.0.2.0/25"}},
			{Map: "to", Key: []string{"192.0.2.1"}, Value: []string{"jump profile"}},
		},
	}
}

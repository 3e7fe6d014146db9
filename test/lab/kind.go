package lab

import (
	"bytes"
	"net/netip"

	"warren.mesh/test/lab/packet"
)

// Kind is what an underlay packet is, judged by its outer header.
type Kind string

// The kinds of packets.
const (
	// KindWireGuard is UDP from or to port 51820, but from and to no pod address.
	KindWireGuard Kind = "wireguard"
	// KindARP is ARP, whatever it asks for.
	KindARP Kind = "arp"
	// KindND is ICMPv6 neighbour and router discovery (types 133 to 137) and multicast listener reports.
	KindND Kind = "nd"
	// KindAPI is TCP from or to port 6443.
	KindAPI Kind = "api"
	// KindLeak is anything with a pod address in the outer header, or with the payload of a flow that must be encrypted.
	KindLeak Kind = "leak"
	// KindOther is everything else.
	KindOther Kind = "other"
)

const (
	wireguardPort = 51820
	apiPort       = 6443
)

// classify judges a packet; pods are the ranges of pod addresses.
func classify(h packet.Header, pods []netip.Prefix) Kind {
	switch {
	case h.EtherType == packet.EtherARP:
		return KindARP
	case contain(pods, h.Source) || contain(pods, h.Destination), bytes.Contains(h.Payload, secretMagic):
		return KindLeak
	case h.Protocol == packet.UDP && either(h, wireguardPort):
		return KindWireGuard
	case h.Protocol == packet.TCP && either(h, apiPort):
		return KindAPI
	case h.EtherType == packet.EtherIPv6 && discovery(h):
		return KindND
	default:
		return KindOther
	}
}

func either(h packet.Header, port uint16) bool {
	return h.SourcePort == port || h.DestinationPort == port
}

// discovery knows neighbour and router discovery (RFC 4861) and MLD (RFC 2710, RFC 3810).
func discovery(h packet.Header) bool {
	return h.Protocol == packet.ICMPv6 && (h.Type >= 133 && h.Type <= 137 || h.Type >= 130 && h.Type <= 132 || h.Type == 143)
}

func contain(ranges []netip.Prefix, addr netip.Addr) bool {
	for _, r := range ranges {
		if r.Contains(addr) {
			return true
		}
	}
	return false
}

package capture

import (
	"bytes"
	"net/netip"

	"warren.mesh/test/lab/packet"
)

// Kind is what an underlay packet is, judged by its outer header.
type Kind string

// The kinds of packets.
const (
	// WireGuard is UDP from or to port 51820, but from and to no pod address.
	WireGuard Kind = "wireguard"
	// ARP is ARP, whatever it asks for.
	ARP Kind = "arp"
	// ND is ICMPv6 neighbour and router discovery (types 133 to 137) and multicast listener reports.
	ND Kind = "nd"
	// API is TCP from or to port 6443.
	API Kind = "api"
	// Leak is anything with a pod address in the outer header, or with a payload that must be encrypted.
	Leak Kind = "leak"
	// Other is everything else.
	Other Kind = "other"
)

const (
	wireguardPort = 51820
	apiPort       = 6443
)

// Plaintext is what the underlay must not see.
type Plaintext struct {
	// Pods are the ranges of pod addresses.
	Pods []netip.Prefix
	// Secret begins the payload of every packet that must be encrypted, whatever its addresses.
	Secret []byte
}

// Judge judges a packet by its outer header, as Kind's constants say.
func (p Plaintext) Judge(_ string, h packet.Header) Kind {
	switch {
	case h.EtherType == packet.EtherARP:
		return ARP
	case contain(p.Pods, h.Source) || contain(p.Pods, h.Destination), bytes.Contains(h.Payload, p.Secret):
		return Leak
	case h.Protocol == packet.UDP && either(h, wireguardPort):
		return WireGuard
	case h.Protocol == packet.TCP && either(h, apiPort):
		return API
	case h.EtherType == packet.EtherIPv6 && discovery(h):
		return ND
	default:
		return Other
	}
}

func either(h packet.Header, port uint16) bool {
	return h.SourcePort == port || h.DestinationPort == port
}

// discovery knows neighbour and router discovery (RFC 4861) and MLD (RFC 2710, RFC 3810).
func discovery(h packet.Header) bool {
	return h.Protocol == packet.ICMPv6 &&
		(h.Type >= 133 && h.Type <= 137 || h.Type >= 130 && h.Type <= 132 || h.Type == 143)
}

func contain(ranges []netip.Prefix, addr netip.Addr) bool {
	for _, r := range ranges {
		if r.Contains(addr) {
			return true
		}
	}
	return false
}

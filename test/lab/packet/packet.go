// Package packet reads the outer headers of Ethernet frames, what an eavesdropper on the underlay learns at a glance,
// and builds frames as a forger sends them. It does not reassemble fragments or look into tunnels.
package packet

import (
	"encoding/binary"
	"net/netip"
)

// Ethernet types (IEEE 802 numbers).
const (
	EtherIPv4 = 0x0800
	EtherARP  = 0x0806
	EtherIPv6 = 0x86dd
)

// IP protocol numbers.
const (
	TCP    = 6
	UDP    = 17
	ICMP   = 1
	ICMPv6 = 58
)

// Header is what the outer headers of a frame say. Fields beyond what was captured or is understood are zero.
type Header struct {
	EtherType uint16
	// Source and Destination are those of the IP header, or of ARP's payload.
	Source, Destination netip.Addr
	// Protocol is the IP payload's, behind IPv6 extension headers.
	Protocol uint8
	// SourcePort and DestinationPort are TCP's or UDP's; 0 in all fragments but the first.
	SourcePort, DestinationPort uint16
	// Type is ICMP's or ICMPv6's.
	Type uint8
	// Length is of the whole IP packet, in bytes.
	Length int
	// Payload is what follows the IP headers, as far as it was captured.
	Payload []byte
}

// From is the source with its port, 0 where it has none.
func (h Header) From() netip.AddrPort { return netip.AddrPortFrom(h.Source, h.SourcePort) }

// To is the destination with its port, 0 where it has none.
func (h Header) To() netip.AddrPort { return netip.AddrPortFrom(h.Destination, h.DestinationPort) }

const (
	ethernetSize = 14
	ipv4Size     = 20
	ipv6Size     = 40
	arpSize      = 28
)

// Decode reads a frame. What is cut short gives a Header that is so far known.
func Decode(frame []byte) Header {
	if len(frame) < ethernetSize {
		return Header{}
	}
	h := Header{EtherType: binary.BigEndian.Uint16(frame[12:])}
	body := frame[ethernetSize:]
	switch h.EtherType {
	case EtherIPv4:
		h.ipv4(body)
	case EtherIPv6:
		h.ipv6(body)
	case EtherARP:
		h.arp(body)
	}
	return h
}

// arp reads RFC 826's packet for Ethernet and IPv4.
func (h *Header) arp(b []byte) {
	if len(b) < arpSize {
		return
	}
	h.Source, h.Destination = netip.AddrFrom4([4]byte(b[14:])), netip.AddrFrom4([4]byte(b[24:]))
}

// ipv4 reads RFC 791's header.
func (h *Header) ipv4(b []byte) {
	if len(b) < ipv4Size {
		return
	}
	h.Length = int(binary.BigEndian.Uint16(b[2:]))
	h.Protocol = b[9]
	h.Source, h.Destination = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	size := int(b[0]&0x0f) * 4
	if size < ipv4Size || len(b) < size {
		return
	}
	h.Payload = b[size:]
	if offset := binary.BigEndian.Uint16(b[6:]) & 0x1fff; offset == 0 {
		h.transport()
	}
}

// ipv6 reads RFC 8200's header.
func (h *Header) ipv6(b []byte) {
	if len(b) < ipv6Size {
		return
	}
	h.Length = ipv6Size + int(binary.BigEndian.Uint16(b[4:]))
	h.Source, h.Destination = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	h.extensions(b[6], b[ipv6Size:])
}

// IPv6 extension headers that may stand before the transport's.
const (
	hopByHop    = 0
	routing     = 43
	fragment    = 44
	destination = 60
)

func (h *Header) extensions(next uint8, b []byte) {
	first := true
	for {
		h.Protocol, h.Payload = next, b
		size := 8
		switch next {
		case hopByHop, routing, destination:
			if len(b) >= 2 {
				size += int(b[1]) * 8
			}
		case fragment:
			if len(b) >= 4 {
				first = binary.BigEndian.Uint16(b[2:])>>3 == 0
			}
		default:
			if first {
				h.transport()
			}
			return
		}
		if len(b) < size {
			return
		}
		next, b = b[0], b[size:]
	}
}

func (h *Header) transport() {
	switch {
	case (h.Protocol == TCP || h.Protocol == UDP) && len(h.Payload) >= 4:
		h.SourcePort, h.DestinationPort = binary.BigEndian.Uint16(h.Payload), binary.BigEndian.Uint16(h.Payload[2:])
	case (h.Protocol == ICMP || h.Protocol == ICMPv6) && len(h.Payload) >= 1:
		h.Type = h.Payload[0]
	}
}

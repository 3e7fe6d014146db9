package limit

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// destination returns the address to which a packet goes; the zero value for what is no IP packet.
func destination(packet []byte) netip.Addr {
	var addr netip.Addr
	switch {
	case len(packet) >= ipv4.HeaderLen && packet[0]>>4 == ipv4.Version:
		addr, _ = netip.AddrFromSlice(packet[16:20])
	case len(packet) >= ipv6.HeaderLen && packet[0]>>4 == ipv6.Version:
		addr, _ = netip.AddrFromSlice(packet[24:40])
	}
	return addr
}

// discard is the port to which the daemon sends a datagram of one byte to have the device begin a handshake (RFC 863).
const discard = 9

// asks reports whether a packet is such a datagram: when the device has begun the handshake, it has done its work.
func asks(packet []byte) bool {
	var udp []byte
	switch {
	case len(packet) == ipv4.HeaderLen+9 && packet[0] == ipv4.Version<<4|ipv4.HeaderLen/4 &&
		packet[9] == unix.IPPROTO_UDP:
		udp = packet[ipv4.HeaderLen:]
	case len(packet) == ipv6.HeaderLen+9 && packet[0]>>4 == ipv6.Version && packet[6] == unix.IPPROTO_UDP:
		udp = packet[ipv6.HeaderLen:]
	default:
		return false
	}
	return binary.BigEndian.Uint16(udp[2:]) == discard
}

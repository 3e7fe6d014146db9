package iface

const (
	ipv6HeaderSize = 40
	udpHeaderSize  = 8
	udpProtocol    = 17
)

// mendChecksum sets the checksum of a UDP datagram over IPv6 that has none. The kernel leaves it to wireguard-go to
// compute, which writes 0 where the sum is 0, for one of 65,536 datagrams; but over IPv6 a zero means that there is
// none, and the receiver drops the datagram. Then 0xffff is the same sum (RFC 8200, section 8.1). Over IPv4 a datagram
// without a checksum is accepted.
func mendChecksum(packet []byte) {
	if len(packet) < ipv6HeaderSize+udpHeaderSize || packet[0]>>4 != 6 || packet[6] != udpProtocol {
		return
	}
	if sum := packet[ipv6HeaderSize+6:][:2]; sum[0] == 0 && sum[1] == 0 {
		sum[0], sum[1] = 0xff, 0xff
	}
}

package packet

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
)

// Frame is an Ethernet frame to be sent: one UDP datagram, or one TCP segment that opens a connection (SYN) and has its
// payload with it.
type Frame struct {
	// NextHop is the next hop's hardware address. The frame's own source is zero.
	NextHop net.HardwareAddr
	// Protocol is UDP or TCP.
	Protocol uint8
	// Source and Destination are of one family.
	Source, Destination netip.AddrPort
	Payload             []byte
}

// hopLimit is what Linux begins with.
const hopLimit = 64

// Bytes is the frame with all its checksums.
func (f Frame) Bytes() []byte {
	body := f.transport()
	from, to := f.Source.Addr(), f.Destination.Addr()
	kind := uint16(EtherIPv6)
	var header []byte
	if from.Is4() {
		kind = EtherIPv4
		header = make([]byte, ipv4Size)
		header[0], header[8], header[9] = 4<<4|ipv4Size/4, hopLimit, f.Protocol
		binary.BigEndian.PutUint16(header[2:], uint16(ipv4Size+len(body)))
		copy(header[12:], slices.Concat(from.AsSlice(), to.AsSlice()))
		binary.BigEndian.PutUint16(header[10:], checksum(header))
	} else {
		header = make([]byte, ipv6Size)
		header[0], header[6], header[7] = 6<<4, f.Protocol, hopLimit
		binary.BigEndian.PutUint16(header[4:], uint16(len(body)))
		copy(header[8:], slices.Concat(from.AsSlice(), to.AsSlice()))
	}
	ethernet := append(slices.Clone(f.NextHop), make([]byte, len(f.NextHop))...)
	return slices.Concat(binary.BigEndian.AppendUint16(ethernet, kind), header, body)
}

// transport is RFC 768's or RFC 9293's header and the payload. The checksum covers the addresses, too.
func (f Frame) transport() []byte {
	header, at := make([]byte, 8), 6
	if f.Protocol == TCP {
		header, at = make([]byte, 20), 16
		header[12], header[13] = 5<<4, 0x02 // no options; SYN
		binary.BigEndian.PutUint16(header[14:], 65535)
	} else {
		binary.BigEndian.PutUint16(header[4:], uint16(8+len(f.Payload)))
	}
	binary.BigEndian.PutUint16(header, f.Source.Port())
	binary.BigEndian.PutUint16(header[2:], f.Destination.Port())
	body := slices.Concat(header, f.Payload)
	pseudo := slices.Concat(f.Source.Addr().AsSlice(), f.Destination.Addr().AsSlice(), []byte{0, f.Protocol})
	sum := checksum(slices.Concat(binary.BigEndian.AppendUint16(pseudo, uint16(len(body))), body))
	if sum == 0 {
		sum = 0xffff // to UDP, zero means that there is none
	}
	binary.BigEndian.PutUint16(body[at:], sum)
	return body
}

// checksum is RFC 1071's.
func checksum(b []byte) uint16 {
	var sum uint32
	for pair := range slices.Chunk(b, 2) {
		sum += uint32(pair[0]) << 8
		if len(pair) == 2 {
			sum += uint32(pair[1])
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

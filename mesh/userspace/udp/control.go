package udp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// segmentSizeLen is the length in bytes of the value of UDP_SEGMENT (a u16, sent). UDP_GRO's value (received) is an
// int.
const segmentSizeLen = 2

// specDst is the offset of the local address in an in_pktinfo (ip(7)).
const specDst = unsafe.Offsetof(unix.Inet4Pktinfo{}.Spec_dst)

// controlSpace is the size in bytes that the control messages of one datagram need at most, sent or received.
var controlSpace = unix.CmsgSpace(unix.SizeofInet6Pktinfo) + unix.CmsgSpace(4)

// appendSource appends the source address of a datagram to send; it appends nothing for the zero value. Routing chooses
// the interface: stock wireguard-go sets the one on which the peer was heard, and then has to correct it when routes
// change.
func appendSource(control []byte, src netip.Addr) []byte {
	switch {
	case src.Is4():
		var info [unix.SizeofInet4Pktinfo]byte
		addr := src.As4()
		copy(info[specDst:], addr[:])
		return appendControl(control, unix.IPPROTO_IP, unix.IP_PKTINFO, info[:])
	case src.Is6():
		var info [unix.SizeofInet6Pktinfo]byte // in6_pktinfo: the address comes first.
		addr := src.As16()
		copy(info[:], addr[:])
		return appendControl(control, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, info[:])
	}
	return control
}

// appendSegmentSize appends a request to the kernel to cut the payload into datagrams of size bytes.
func appendSegmentSize(control []byte, size int) []byte {
	var value [segmentSizeLen]byte
	binary.NativeEndian.PutUint16(value[:], uint16(size))
	return appendControl(control, unix.SOL_UDP, unix.UDP_SEGMENT, value[:])
}

// appendControl appends one control message (cmsg(3)). It does not allocate if the slice has the capacity.
func appendControl(control []byte, level, kind int32, value []byte) []byte {
	start, space := len(control), unix.CmsgSpace(len(value))
	control = slices.Grow(control, space)[:start+space]
	clear(control[start:])
	header := (*unix.Cmsghdr)(unsafe.Pointer(&control[start]))
	header.Level, header.Type = level, kind
	header.SetLen(unix.CmsgLen(len(value)))
	copy(control[start+unix.CmsgLen(0):], value)
	return control
}

// parseControl returns the local address that a datagram was sent to, and the size of the datagrams from which the
// kernel joined its payload; each is zero where the control messages do not say.
func parseControl(control []byte) (local netip.Addr, segment int) {
	for len(control) >= unix.SizeofCmsghdr {
		header, value, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		control = rest
		switch kind := [2]int32{header.Level, header.Type}; {
		case kind == [2]int32{unix.IPPROTO_IP, unix.IP_PKTINFO} && len(value) >= unix.SizeofInet4Pktinfo:
			local = netip.AddrFrom4([4]byte(value[specDst:]))
		case kind == [2]int32{unix.IPPROTO_IPV6, unix.IPV6_PKTINFO} && len(value) >= unix.SizeofInet6Pktinfo:
			local = netip.AddrFrom16([16]byte(value))
		case kind == [2]int32{unix.SOL_UDP, unix.UDP_GRO} && len(value) >= segmentSizeLen:
			segment = groSize(value)
		}
	}
	return local, segment
}

// groSize reads the value of UDP_GRO: an int, which the first kernels filled as a u16.
func groSize(value []byte) int {
	if len(value) >= 4 {
		return int(binary.NativeEndian.Uint32(value))
	}
	return int(binary.NativeEndian.Uint16(value))
}

package nft

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// keyText returns an element's key, or a map's value, in the words in which a Layout has it. A type that is not known
// is a hexadecimal number.
func keyText(number uint32, key []byte) []string {
	types := typesOf(number)
	if len(types) == 1 {
		return []string{partText(types[0], key)}
	}
	var parts []string
	for i, t := range types {
		size := sizeOf(t)
		if size == 0 && i == len(types)-1 {
			size = len(key)
		}
		// Each part of a concatenation begins at a multiple of four bytes.
		padded := (size + 3) &^ 3
		if size == 0 || padded > len(key) {
			break
		}
		parts = append(parts, partText(t, key[:size]))
		key = key[padded:]
	}
	if len(key) > 0 {
		parts = append(parts, "0x"+hex.EncodeToString(key))
	}
	return parts
}

// typesOf returns the types of a concatenation, or the one type that the number is.
func typesOf(number uint32) (types []uint32) {
	for ; number > 0; number >>= typeBits {
		types = append([]uint32{number & (1<<typeBits - 1)}, types...)
	}
	return types
}

// keyBytes is the way back from keyText; ok is false where there is none.
func keyBytes(number uint32, parts []string) (key []byte, ok bool) {
	types := typesOf(number)
	for i, part := range parts {
		of := uint32(0)
		if i < len(types) {
			of = types[i]
		}
		b := partBytes(of, part)
		key = append(key, b...)
		if len(types) > 1 {
			key = append(key, make([]byte, -len(b)&3)...)
		}
	}
	return key, slices.Equal(keyText(number, key), parts)
}

// partBytes is the way back from partText; nil where there is none.
func partBytes(number uint32, text string) []byte {
	switch number {
	case dataTypes["ipv4_addr"].number, dataTypes["ipv6_addr"].number:
		ip, _ := netip.ParseAddr(text)
		return ip.AsSlice()
	case dataTypes["ether_addr"].number:
		mac, _ := net.ParseMAC(text)
		return mac
	case dataTypes["inet_proto"].number:
		for number := range 256 {
			if protocolText(byte(number)) == text {
				return []byte{byte(number)}
			}
		}
	case dataTypes["inet_service"].number:
		if port, err := strconv.ParseUint(text, 10, 16); err == nil {
			return binary.BigEndian.AppendUint16(nil, uint16(port))
		}
	case dataTypes["ifname"].number:
		if len(text) < nameSize {
			return append([]byte(text), make([]byte, nameSize-len(text))...)
		}
	default:
		b, _ := hex.DecodeString(strings.TrimPrefix(text, "0x"))
		return b
	}
	return nil
}

func sizeOf(number uint32) int {
	for _, t := range dataTypes {
		if t.number == number {
			return t.size
		}
	}
	return 0
}

// partText returns one value. It is in the kernel as in a packet: in network byte order, names filled up with zeros.
func partText(number uint32, b []byte) string {
	switch {
	case number == dataTypes["ipv4_addr"].number && len(b) == 4,
		number == dataTypes["ipv6_addr"].number && len(b) == 16:
		ip, _ := netip.AddrFromSlice(b)
		return ip.String()
	case number == dataTypes["ether_addr"].number:
		return net.HardwareAddr(b).String()
	case number == dataTypes["inet_proto"].number && len(b) == 1:
		return protocolText(b[0])
	case number == dataTypes["inet_service"].number && len(b) == 2:
		return strconv.Itoa(int(binary.BigEndian.Uint16(b)))
	case number == dataTypes["ifname"].number:
		return string(bytes.TrimRight(b, "\x00"))
	}
	return "0x" + hex.EncodeToString(b)
}

func protocolText(number byte) string {
	switch number {
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	case unix.IPPROTO_SCTP:
		return "sctp"
	default:
		return strconv.Itoa(int(number))
	}
}

// rangeText returns the addresses, or other numbers, from first up to and without next as nft prints them: one, a
// prefix or a range. A nil next is the end of all there are.
func rangeText(number uint32, first, next []byte) string {
	last := bytes.Repeat([]byte{0xff}, len(first))
	if next != nil {
		last = before(next)
	}
	if number == dataTypes["ipv4_addr"].number || number == dataTypes["ipv6_addr"].number {
		from, _ := netip.AddrFromSlice(first)
		to, _ := netip.AddrFromSlice(last)
		return Range(from, to)
	}
	if bytes.Equal(first, last) {
		return partText(number, first)
	}
	return partText(number, first) + "-" + partText(number, last)
}

// Range returns the addresses from first to last as the kernel's listing has an element of a set of intervals: as one
// address, as a prefix, or else as "198.51.100.1-198.51.100.9". Both are of one family, and in order.
func Range(first, last netip.Addr) string {
	if first == last {
		return first.String()
	}
	if bits, ok := prefixBits(first.AsSlice(), last.AsSlice()); ok {
		return netip.PrefixFrom(first, bits).String()
	}
	return first.String() + "-" + last.String()
}

// before returns the number that is one less.
func before(b []byte) []byte {
	b = bytes.Clone(b)
	for i := len(b) - 1; i >= 0; i-- {
		b[i]--
		if b[i] != 0xff {
			break
		}
	}
	return b
}

// prefixBits returns the length of the prefix whose first and last address these are; ok is false where there is none.
func prefixBits(first, last []byte) (bits int, ok bool) {
	for i := range first {
		for bit := 7; bit >= 0; bit-- {
			a, b := first[i]>>bit&1, last[i]>>bit&1
			switch {
			case !ok && a == b:
				bits++
			case a == 0 && b == 1:
				ok = true // from here on it is all zeros and all ones
			default:
				return 0, false
			}
		}
	}
	return bits, ok
}

// canonical returns a part of a key as the kernel tells it: a prefix of full length is an address.
func canonical(key string) string {
	if p, err := netip.ParsePrefix(key); err == nil && p.IsSingleIP() {
		return p.Addr().String()
	}
	return key
}

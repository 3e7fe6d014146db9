package packet_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/test/lab/packet"
)

// ethernet is a frame of this type.
func ethernet(kind uint16, body ...[]byte) []byte {
	return slices.Concat(append([][]byte{make([]byte, 12), binary.BigEndian.AppendUint16(nil, kind)}, body...)...)
}

// ipv4 is a header from 10.0.0.1 to 10.0.0.2; fragment is the offset in 8 bytes.
func ipv4(protocol uint8, fragment uint16, options, payload []byte) []byte {
	h := make([]byte, 20)
	h[0] = 0x40 | byte((20+len(options))/4)
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(options)+len(payload)))
	binary.BigEndian.PutUint16(h[6:], fragment)
	h[9] = protocol
	copy(h[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	return slices.Concat(h, options, payload)
}

// ipv6 is a header from fd00::1 to fd00::2.
func ipv6(next uint8, payload []byte) []byte {
	h := make([]byte, 40)
	h[0] = 0x60
	binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
	h[6] = next
	copy(h[8:], netip.MustParseAddr("fd00::1").AsSlice())
	copy(h[24:], netip.MustParseAddr("fd00::2").AsSlice())
	return slices.Concat(h, payload)
}

// ports are the first bytes of a UDP or TCP header.
func ports(from, to uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from), to)
}

func TestDecode(t *testing.T) {
	arp := make([]byte, 28)
	copy(arp[14:], []byte{10, 0, 0, 1})
	copy(arp[24:], []byte{10, 0, 0, 2})
	options := make([]byte, 8)
	for name, test := range map[string]struct {
		frame []byte
		want  string
	}{
		"UDP": {ethernet(0x0800, ipv4(17, 0, nil, ports(53, 40000))),
			"IP 10.0.0.1:53 > 10.0.0.2:40000: UDP, 24 bytes"},
		"TCP behind options": {ethernet(0x0800, ipv4(6, 0, options, ports(80, 40000))),
			"IP 10.0.0.1:80 > 10.0.0.2:40000: TCP, 32 bytes"},
		"later fragment": {ethernet(0x0800, ipv4(17, 1, nil, ports(53, 40000))),
			"IP 10.0.0.1 > 10.0.0.2: UDP, 24 bytes"},
		"first of more fragments": {ethernet(0x0800, ipv4(17, 0x2000, nil, ports(53, 40000))),
			"IP 10.0.0.1:53 > 10.0.0.2:40000: UDP, 24 bytes"},
		"ICMP": {ethernet(0x0800, ipv4(1, 0, nil, []byte{8, 0})),
			"IP 10.0.0.1 > 10.0.0.2: ICMP type 8, 22 bytes"},
		"IPIP": {ethernet(0x0800, ipv4(4, 0, nil, nil)),
			"IP 10.0.0.1 > 10.0.0.2: protocol 4, 20 bytes"},
		"ARP": {ethernet(0x0806, arp), "ARP 10.0.0.1 asks or tells 10.0.0.2"},
		"ND": {ethernet(0x86dd, ipv6(58, []byte{135, 0})),
			"IP6 fd00::1 > fd00::2: ICMPv6 type 135, 42 bytes"},
		"UDP over IPv6": {ethernet(0x86dd, ipv6(17, ports(53, 40000))),
			"IP6 [fd00::1]:53 > [fd00::2]:40000: UDP, 44 bytes"},
		"MLD behind hop-by-hop": {ethernet(0x86dd, ipv6(0, append([]byte{58, 0, 0, 0, 0, 0, 0, 0}, 143, 0))),
			"IP6 fd00::1 > fd00::2: ICMPv6 type 143, 50 bytes"},
		"later fragment of IPv6": {ethernet(0x86dd,
			ipv6(44, append([]byte{17, 0, 0, 8, 0, 0, 0, 0}, ports(53, 40000)...))),
			"IP6 fd00::1 > fd00::2: UDP, 52 bytes"},
		"LLDP": {ethernet(0x88cc, nil), "ethertype 0x88cc"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, packet.Decode(test.frame).String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeKeepsThePayload(t *testing.T) {
	payload := append(ports(1, 2), "payload"...)
	for name, frame := range map[string][]byte{
		"IPv4": ethernet(0x0800, ipv4(17, 0, make([]byte, 4), payload)),
		"IPv6": ethernet(0x86dd, ipv6(60, append([]byte{17, 0, 0, 0, 0, 0, 0, 0}, payload...))),
	} {
		if diff := cmp.Diff(payload, packet.Decode(frame).Payload); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Whatever is on the wire, and wherever it is cut off, decoding ends and says something.
func FuzzDecode(f *testing.F) {
	f.Add(ethernet(0x0800, ipv4(17, 0, nil, ports(1, 2))))
	f.Add(ethernet(0x86dd, ipv6(0, []byte{44, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4})))
	f.Add(ethernet(0x0806, make([]byte, 28)))
	f.Fuzz(func(t *testing.T, frame []byte) {
		for cut := range len(frame) + 1 {
			if packet.Decode(frame[:cut]).String() == "" {
				t.Errorf("nothing said of %x", frame[:cut])
			}
		}
	})
}

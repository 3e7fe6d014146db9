package udp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// parseSent reads what is sent: as parseControl, but the size is asked for by UDP_SEGMENT.
func parseSent(control []byte) (src netip.Addr, segment int) {
	src, _ = parseControl(control)
	for len(control) >= unix.SizeofCmsghdr {
		header, value, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			panic(err)
		}
		if header.Level == unix.SOL_UDP && header.Type == unix.UDP_SEGMENT {
			segment = int(binary.NativeEndian.Uint16(value))
		}
		control = rest
	}
	return src, segment
}

func TestControl(t *testing.T) {
	for _, src := range []string{"192.0.2.1", "2001:db8::1", ""} {
		for _, size := range []int{0, 1, 1452, 65535} {
			var want netip.Addr
			if src != "" {
				want = netip.MustParseAddr(src)
			}
			sent := appendSource(make([]byte, 0, controlSpace), want)
			if size > 0 {
				sent = appendSegmentSize(sent, size)
			}
			if len(sent) > controlSpace {
				t.Errorf("control of %s, %d takes %d bytes, there is room for %d", src, size, len(sent), controlSpace)
			}
			if got, gotSize := parseSent(sent); got != want || gotSize != size {
				t.Errorf("sent %v, %d; read %v, %d", want, size, got, gotSize)
			}
		}
	}
}

func TestParseControlGRO(t *testing.T) {
	long := binary.NativeEndian.AppendUint32(nil, 1452)
	for _, value := range [][]byte{long, binary.NativeEndian.AppendUint16(nil, 1452)} {
		control := appendSource(nil, own4)
		control = appendControl(control, unix.SOL_UDP, unix.UDP_GRO, value)
		if local, size := parseControl(control); local != own4 || size != 1452 {
			t.Errorf("value of %d bytes: got %v, %d", len(value), local, size)
		}
	}
}

func FuzzParseControl(f *testing.F) {
	f.Add(appendSegmentSize(appendSource(nil, own4), 1452))
	f.Add(appendControl(nil, unix.SOL_UDP, unix.UDP_GRO, make([]byte, 4)))
	f.Add(appendControl(nil, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, make([]byte, unix.SizeofInet6Pktinfo)))
	f.Fuzz(func(_ *testing.T, control []byte) { parseControl(control) })
}

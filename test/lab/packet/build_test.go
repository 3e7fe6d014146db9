package packet

import (
	"net"
	"net/netip"
	"testing"
)

// What is built is decoded, and its checksums sum up to none.
func TestFrame(t *testing.T) {
	for _, ends := range [][2]string{{"10.0.0.1:53", "10.0.0.2:7"}, {"[fd00::1]:53", "[fd00::2]:7"}} {
		for _, protocol := range []uint8{UDP, TCP} {
			f := Frame{
				NextHop: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Protocol: protocol, Payload: []byte("odd"),
				Source: netip.MustParseAddrPort(ends[0]), Destination: netip.MustParseAddrPort(ends[1]),
			}
			frame := f.Bytes()
			h := Decode(frame)
			if h.From() != f.Source || h.To() != f.Destination || h.Protocol != protocol || h.Length != len(frame)-14 {
				t.Errorf("%+v is decoded as %+v", f, h)
			}
			if text := string(h.Payload[len(h.Payload)-3:]); text != "odd" {
				t.Errorf("%v: payload %q", f, text)
			}
			if f.Source.Addr().Is4() && checksum(frame[14:34]) != 0 {
				t.Errorf("%v: the IPv4 header's checksum is wrong", f)
			}
			pseudo := append(append(f.Source.Addr().AsSlice(), f.Destination.Addr().AsSlice()...), 0, protocol, 0,
				byte(len(h.Payload)))
			if checksum(append(pseudo, h.Payload...)) != 0 {
				t.Errorf("%v: the payload's checksum is wrong", f)
			}
		}
	}
}

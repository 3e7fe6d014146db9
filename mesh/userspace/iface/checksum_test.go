package iface

import (
	"bytes"
	"testing"

	"golang.zx2c4.com/wireguard/tun"
)

// holding is a TUN that has these packets to read.
type holding struct {
	tun.Device
	packets [][]byte
}

func (h holding) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	for i, p := range h.packets {
		sizes[i] = copy(bufs[i][offset:], p)
	}
	return len(h.packets), nil
}

// udp is a datagram of one byte with this checksum, over IPv6 or IPv4.
func udp(version byte, sum ...byte) []byte {
	header := map[byte]int{4: 20, 6: 40}[version]
	p := append(make([]byte, header+6), sum...)
	p[0], p[6], p[9] = version<<4, udpProtocol, udpProtocol
	return append(p, 'x')
}

// A datagram over IPv6 whose checksum is computed to be zero has the other spelling of zero, or its receiver drops it.
func TestChecksums(t *testing.T) {
	tcp := udp(6, 0, 0)
	tcp[6] = 6
	in := [][]byte{udp(6, 0, 0), udp(6, 0, 1), udp(6, 1, 0), udp(4, 0, 0), tcp, udp(6, 0, 0)[:47], {0x60}, {}}
	want := append([][]byte{udp(6, 0xff, 0xff)}, in[1:]...)
	const offset = 16
	bufs, sizes := make([][]byte, 16), make([]int, 16)
	for i := range bufs {
		bufs[i] = make([]byte, 100)
	}
	n, err := newLink(holding{packets: in}, 1).Read(bufs, sizes, offset)
	if err != nil || n != len(in) {
		t.Fatal(n, err)
	}
	for i, p := range want {
		if got := bufs[i][offset:][:sizes[i]]; !bytes.Equal(got, p) {
			t.Errorf("packet %d is % x, want % x", i, got, p)
		}
	}
}

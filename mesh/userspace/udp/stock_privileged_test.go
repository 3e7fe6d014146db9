package udp

import (
	"net"
	"testing"

	"golang.zx2c4.com/wireguard/conn"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// TestPrivilegedStockBind shows the first of the faults for which this package exists: the stock bind sends the datagram that
// follows an IPv4 one, if it is for another IPv6 address, to a wrong address. When this test fails, upstream is mended.
func TestPrivilegedStockBind(t *testing.T) {
	meshtest.Privileged(t)
	const rounds = 20 // The race detector makes pools forgetful: one round might do.
	for _, test := range []struct {
		name   string
		bind   conn.Bind
		astray bool
	}{
		{"stock", conn.NewStdNetBind(), true},
		{"ours", New(), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := namespace.New(t)
			n.Command(t, "ip", "link", "set", "up", "dev", "lo")
			for _, addr := range []string{"2001:db8:1::1/128", "2001:db8:2::2/128"} {
				n.Command(t, "ip", "address", "add", addr, "dev", "lo", "nodad")
			}
			err := n.Do(func() error {
				arrived, err := sendMixed(test.bind, rounds)
				if astray := arrived < rounds; astray != test.astray {
					t.Errorf("%d of %d arrived; astray = %v, want %v", arrived, rounds, astray, test.astray)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// sendMixed sends a datagram to each of three addresses in turn. It counts what arrives at the last one until "end", which it
// sends there by another socket.
func sendMixed(b conn.Bind, rounds int) (arrived int, err error) {
	const first, second, third = "[2001:db8:1::1]:9", "127.0.0.1:9", "[2001:db8:2::2]:9"
	l, err := net.ListenPacket("udp", third)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	if _, _, err := b.Open(0); err != nil {
		return 0, err
	}
	defer b.Close()
	for range rounds {
		for _, to := range []string{first, second, third} {
			e, err := b.ParseEndpoint(to)
			if err != nil {
				return 0, err
			}
			_ = b.Send([][]byte{[]byte("x")}, e) // What goes astray may have no route.
		}
	}
	if _, err := l.WriteTo([]byte("end"), l.LocalAddr()); err != nil {
		return 0, err
	}
	for got := make([]byte, 9); ; arrived++ {
		if n, _, err := l.ReadFrom(got); err != nil || string(got[:n]) == "end" {
			return arrived, err
		}
	}
}

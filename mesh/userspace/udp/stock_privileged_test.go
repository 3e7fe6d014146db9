package udp

import (
	"net"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/conn"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// TestPrivilegedStockBind shows the first of the faults for which this package exists: the stock bind sends the
// datagram that follows an IPv4 one, if it is for another IPv6 address, to a wrong address. When this test fails,
// upstream is mended.
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

// sendMixed sends a datagram to each of three addresses in turn. It counts what arrives at the last one until "end",
// which it sends there by another socket.
func sendMixed(b conn.Bind, rounds int) (arrived int, err error) {
	const first, second, third = "[2001:db8:1::1]:9", "127.0.0.1:9", "[2001:db8:2::2]:9"
	l, err := net.ListenPacket("udp", third)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	if err := awaitRoute(l); err != nil {
		return 0, err
	}
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
			_ = b.Send([][]byte{[]byte("x")}, e) // A datagram with a wrong address may have no route.
		}
	}
	if _, err := l.WriteTo([]byte("end"), l.LocalAddr()); err != nil {
		return 0, err
	}
	for {
		text, err := read(l, patience)
		if err != nil || text == "end" {
			return arrived, err
		}
		if text == "x" {
			arrived++
		}
	}
}

// awaitRoute returns when datagrams reach an address that was just added: the kernel adds its local route a moment
// later, and drops what is sent before without an error.
func awaitRoute(l net.PacketConn) (err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, err = l.WriteTo([]byte("begin"), l.LocalAddr()); err != nil {
			return err
		}
		if _, err = read(l, 50*time.Millisecond); err == nil {
			return nil
		}
	}
	return err
}

func read(l net.PacketConn, within time.Duration) (text string, err error) {
	if err := l.SetReadDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	got := make([]byte, 9)
	n, _, err := l.ReadFrom(got)
	return string(got[:n]), err
}

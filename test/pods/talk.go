package pods

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"warren.mesh/test/lab/namespace"
)

// Serve answers in a namespace at a port of TCP and UDP, with what it was asked, until the test ends.
func Serve(t testing.TB, where *namespace.Net, port uint16) {
	t.Helper()
	at := fmt.Sprintf(":%d", port)
	err := where.Do(func() error {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go echo(c)
			}
		}()
		u, err := net.ListenPacket("udp", at)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = u.Close() })
		go echoPackets(u)
		return nil
	})
	if err != nil {
		t.Fatalf("serve port %d: %v", port, err)
	}
}

func echo(c net.Conn) {
	defer func() { _ = c.Close() }()
	buffer := make([]byte, 100)
	for {
		size, err := c.Read(buffer)
		if err != nil {
			return
		}
		_, _ = c.Write(buffer[:size])
	}
}

func echoPackets(u net.PacketConn) {
	buffer := make([]byte, 100)
	for {
		size, from, err := u.ReadFrom(buffer)
		if err != nil {
			return
		}
		_, _ = u.WriteTo(buffer[:size], from)
	}
}

// Question is what is asked at a port.
type Question struct {
	// From is where it is asked, Source the address from which, if it is valid.
	From   *namespace.Net
	Source netip.Addr
	// Network is "tcp" or "udp".
	Network string
	To      netip.AddrPort
	// Patience is how long an answer is waited for: silence is not told from a slow one.
	Patience time.Duration
}

// String returns "udp to 10.244.1.2:53".
func (q Question) String() string { return fmt.Sprintf("%s to %v", q.Network, q.To) }

// Ask opens a connection, says something and reports whether it was answered. What goes wrong otherwise is an error.
func (q Question) Ask(ctx context.Context) (answered bool, err error) {
	c, err := q.Dial(ctx)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close() }()
	return q.Say(c)
}

// Dial opens the connection.
func (q Question) Dial(ctx context.Context) (c net.Conn, err error) {
	dialer := net.Dialer{Timeout: q.Patience}
	switch {
	case !q.Source.IsValid():
	case q.Network == "udp":
		dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(q.Source, 0))
	default:
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(q.Source, 0))
	}
	err = q.From.Do(func() error {
		c, err = dialer.DialContext(ctx, q.Network, q.To.String())
		return err
	})
	return c, err
}

// Say says something on the connection and reports whether it was answered.
func (q Question) Say(c net.Conn) (answered bool, err error) {
	if err := c.SetDeadline(time.Now().Add(q.Patience)); err != nil {
		return false, err
	}
	if _, err := c.Write([]byte("a word")); err != nil {
		return false, err
	}
	_, err = c.Read(make([]byte, 100))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}

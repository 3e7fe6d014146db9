package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/tb"
)

// patience bounds a single question: far more than an answer takes, handshake and TCP's first retransmission included.
const patience = 5 * time.Second

// want is nil once there are at least so many.
func want(what string, got, least int) error {
	if got < least {
		return fmt.Errorf("%d %s, want %d", got, what, least)
	}
	return nil
}

// send sends one datagram; nobody need listen.
func send(t *testing.T, from *host.Host, to netip.AddrPort) {
	t.Helper()
	conn, err := from.Dial(t.Context(), "udp", to.String())
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "in plain text"); err != nil {
		t.Fatalf("%v", err)
	}
}

// ask asks the echo server at to, over tcp or udp, who asks: own is what the asker's socket says, seen what the server
// saw. They differ where there is NAT in between.
func ask(ctx context.Context, from *host.Host, network string, to netip.AddrPort) (own, seen netip.AddrPort,
	err error) {
	ctx, cancel := context.WithTimeout(ctx, tb.Bound(patience))
	defer cancel()
	conn, err := from.Dial(ctx, network, to.String())
	if err != nil {
		return own, seen, err
	}
	defer conn.Close()
	if own, err = netip.ParseAddrPort(conn.LocalAddr().String()); err != nil {
		return own, seen, err
	}
	answer, err := question(ctx, conn)
	if err != nil {
		return own, seen, fmt.Errorf("ask %v over %s from %s: %w", to, network, from.Name, err)
	}
	seen, err = netip.ParseAddrPort(answer)
	return own, seen, err
}

// question asks over HTTP, or in a datagram of any text.
func question(ctx context.Context, conn net.Conn) (answer string, err error) {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return "", err
	}
	if conn.LocalAddr().Network() == "udp" {
		datagram := make([]byte, 128)
		n, err := conn.Read(datagram)
		return string(datagram[:n]), err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// write sends one datagram.
func write(t *testing.T, conn net.PacketConn, to netip.AddrPort, text string) {
	t.Helper()
	if _, err := conn.WriteTo([]byte(text), net.UDPAddrFromAddrPort(to)); err != nil {
		t.Fatal(err)
	}
}

// next waits for the next datagram.
func next(t *testing.T, conn net.PacketConn) (text string, from netip.AddrPort) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(tb.Bound(patience))); err != nil {
		t.Fatal(err)
	}
	datagram := make([]byte, 2048)
	n, addr, err := conn.ReadFrom(datagram)
	if err != nil {
		t.Fatalf("on %v: %v", conn.LocalAddr(), err)
	}
	seen := addr.(*net.UDPAddr).AddrPort()
	return string(datagram[:n]), netip.AddrPortFrom(seen.Addr().Unmap(), seen.Port())
}

package host

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"

	"warren.mesh/test/lab/tb"
)

// Dial connects from the host; address is an IP literal with port.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return h.DialFrom(ctx, netip.AddrPort{}, network, address)
}

// DialFrom is Dial from the given local address; its port may be 0.
func (h *Host) DialFrom(ctx context.Context, local netip.AddrPort, network, address string) (conn net.Conn, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial from %s: %w (names would be resolved in another namespace)", h.Name, err)
	}
	dialer := net.Dialer{}
	if local.IsValid() && network[:3] == "tcp" {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(local)
	} else if local.IsValid() {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(local)
	}
	err = h.Do(func() error {
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("from %s: %w", h.Name, err)
	}
	return conn, nil
}

// Listen listens on the host; closed when the test ends.
func (h *Host) Listen(t tb.TB, network, address string) net.Listener {
	t.Helper()
	listener, err := listen(t, h, func() (net.Listener, error) { return net.Listen(network, address) })
	if err != nil {
		t.Fatalf("%v", err)
	}
	return listener
}

// ListenPacket listens for datagrams on the host; closed when the test ends.
func (h *Host) ListenPacket(t tb.TB, network, address string) net.PacketConn {
	t.Helper()
	conn, err := listen(t, h, func() (net.PacketConn, error) { return net.ListenPacket(network, address) })
	if err != nil {
		t.Fatalf("%v", err)
	}
	return conn
}

func listen[L io.Closer](t tb.TB, h *Host, open func() (L, error)) (l L, err error) {
	err = h.Do(func() error {
		l, err = open()
		return err
	})
	if err != nil {
		return l, fmt.Errorf("on %s: %w", h.Name, err)
	}
	// The caller may close it earlier.
	t.Cleanup(func() { _ = l.Close() })
	return l, nil
}

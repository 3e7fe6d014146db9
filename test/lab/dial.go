package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// patience bounds every single attempt to reach something: far more than a healthy network in one machine's memory needs,
// and enough for a handshake in between, TCP's first retransmission (1 s) included.
const patience = 3 * time.Second

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
func (h *Host) Listen(t TB, network, address string) net.Listener {
	t.Helper()
	listener, err := listen(t, h, func() (net.Listener, error) { return net.Listen(network, address) })
	if err != nil {
		t.Fatalf("%v", err)
	}
	return listener
}

// ListenPacket listens for datagrams on the host; closed when the test ends.
func (h *Host) ListenPacket(t TB, network, address string) net.PacketConn {
	t.Helper()
	conn, err := listen(t, h, func() (net.PacketConn, error) { return net.ListenPacket(network, address) })
	if err != nil {
		t.Fatalf("%v", err)
	}
	return conn
}

func listen[L io.Closer](t TB, h *Host, open func() (L, error)) (l L, err error) {
	err = h.Do(func() error {
		l, err = open()
		return err
	})
	if err != nil {
		return l, fmt.Errorf("on %s: %w", h.Name, err)
	}
	// Whoever listens may close it earlier.
	t.Cleanup(func() { _ = l.Close() })
	return l, nil
}

// Get asks the HTTP server at to (port EchoPort of any Host, or a Service that leads there) who is asking: the client
// address that the server saw. One connection, three seconds.
func (h *Host) Get(to netip.AddrPort) (seen netip.AddrPort, err error) {
	body, err := h.fetch("http://" + to.String() + "/")
	if err != nil {
		return netip.AddrPort{}, err
	}
	return parseSeen(body)
}

// fetch is one GET over a connection of its own; a status other than 200 is an error with the body's text.
func (h *Host) fetch(url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	transport := &http.Transport{DialContext: h.Dial, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("get %s from %s: %w", url, h.Name, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("get %s from %s: %w", url, h.Name, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s from %s: %s: %s", url, h.Name, response.Status, body)
	}
	return body, nil
}

// Probe is Get over UDP, with one datagram.
func (h *Host) Probe(to netip.AddrPort) (seen netip.AddrPort, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := h.Dial(ctx, "udp", to.String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return netip.AddrPort{}, err
	}
	if _, err := conn.Write([]byte(question)); err != nil {
		return netip.AddrPort{}, fmt.Errorf("probe %v from %s: %w", to, h.Name, err)
	}
	answer := make([]byte, 128)
	n, err := conn.Read(answer)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("probe %v from %s: %w", to, h.Name, err)
	}
	return parseSeen(answer[:n])
}

func parseSeen(text []byte) (netip.AddrPort, error) {
	seen, err := netip.ParseAddrPort(string(text))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("not an echo server's answer: %w", err)
	}
	return netip.AddrPortFrom(seen.Addr().Unmap(), seen.Port()), nil
}

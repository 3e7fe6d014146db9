package host

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"warren.mesh/test/lab/tb"
	"warren.mesh/test/lab/traffic"
)

// Ping sends echo requests until one is answered, and returns that one's round-trip time. It gives up after three
// seconds, or at once where the own kernel refuses to send.
func (h *Host) Ping(to netip.Addr) (time.Duration, error) { return traffic.Ping(h, to) }

// Get asks the HTTP server at to (port EchoPort of any Host, or a Service that leads there) for the client address that
// it sees. One connection, three seconds.
func (h *Host) Get(to netip.AddrPort) (seen netip.AddrPort, err error) {
	body, err := h.fetch("http://"+to.String()+"/", traffic.Patience)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return parseSeen(body)
}

// collection bounds what a server may take to put together an answer: as long as Prometheus gives a target by default.
// A daemon on an emulated machine needs more than a network does.
const collection = 10 * time.Second

// Fetch is one GET over a connection of its own, ten seconds; a status other than 200 is an error with the body's text.
func (h *Host) Fetch(url string) ([]byte, error) { return h.fetch(url, collection) }

func (h *Host) fetch(url string, within time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tb.Bound(within))
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
	ctx, cancel := context.WithTimeout(context.Background(), traffic.Patience)
	defer cancel()
	conn, err := h.Dial(ctx, "udp", to.String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(traffic.Patience)); err != nil {
		return netip.AddrPort{}, err
	}
	if _, err := conn.Write([]byte(traffic.Question)); err != nil {
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

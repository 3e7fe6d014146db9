package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/packet"
)

const (
	// bulk is how many bytes a transfer has: many windows of full segments.
	bulk = 16 << 20
	// bulkTime is far more than a transfer takes. One that stops at the first full segment never ends.
	bulkTime = 30 * time.Second
)

// testBulk fills segments, between hosts that know the mesh's MTU by their interface and such that don't. Nothing stops
// at it, and nothing is cut into fragments for it.
func testBulk(t *testing.T, h *hosts) {
	if pod, mesh := mtu(t, h.a.Host, "eth0"), mtu(t, h.one.Host, "warren0"); pod != mesh {
		t.Errorf("pods have MTU %d, the mesh %d", pod, mesh)
	}
	watch := h.WatchBy(t, whole)
	h.families(t, func(t *testing.T, like netip.Addr) {
		for _, ends := range [][2]*host.Host{
			{h.a.Host, h.far.Host}, {h.one.Host, h.far.Host}, {h.a.Host, h.three.Host}, {h.a.Host, h.Outside},
		} {
			for _, sender := range []int{0, 1} {
				transfer{client: ends[0], server: ends[1], like: like, download: sender == 1}.check(t)
			}
		}
	})
	r := watch.Stop()
	if r.Packets[kindFragment] > 0 || r.Packets[capture.WireGuard] == 0 {
		t.Errorf("on the underlay, want no fragments: %v", r)
	}
}

// kindFragment is a datagram's second part or a later one.
const kindFragment capture.Kind = "fragment"

// whole tells fragments from WireGuard's whole packets: only the first one has ports.
func whole(_ string, h packet.Header) capture.Kind {
	switch {
	case h.Protocol == packet.UDP && h.SourcePort == 0 && h.DestinationPort == 0:
		return kindFragment
	case h.Protocol == packet.UDP && h.DestinationPort == wireguardPort:
		return capture.WireGuard
	default:
		return kindElse
	}
}

// mtu is an interface's, in bytes.
func mtu(t *testing.T, h *host.Host, name string) (bytes int) {
	t.Helper()
	out := h.MustExec(t, "ip", "-o", "link", "show", name)
	_, after, _ := strings.Cut(out, " mtu ")
	if _, err := fmt.Sscan(after, &bytes); err != nil {
		t.Fatalf("no MTU in %q: %v", out, err)
	}
	return bytes
}

// transfer is bulk bytes over one TCP connection.
type transfer struct {
	client, server *host.Host
	// like tells the family.
	like netip.Addr
	// download has the server send.
	download bool
}

func (tr transfer) check(t *testing.T) {
	t.Helper()
	// Any free port: a command that another test starts just then holds the last listener's until it executes.
	listener := tr.server.Listen(t, "tcp", ":0")
	defer listener.Close()
	port := netip.MustParseAddrPort(listener.Addr().String()).Port()
	served := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = pump(conn, tr.download)
		}
		served <- err
	}()
	begin := time.Now()
	conn, err := tr.client.Dial(t.Context(), "tcp", netip.AddrPortFrom(tr.server.Addr(tr.like), port).String())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(pump(conn, !tr.download), <-served); err != nil {
		t.Errorf("%v: %v", tr, err)
	}
	took := time.Since(begin)
	t.Logf("%v: %.0f Mbit/s", tr, 8*bulk/took.Seconds()/1e6)
}

// pump sends the bytes, or receives them.
func pump(conn net.Conn, send bool) error {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(bulkTime)); err != nil {
		return err
	}
	if send {
		_, err := io.CopyN(conn, zeros{}, bulk)
		return err
	}
	n, err := io.Copy(io.Discard, conn)
	if err == nil && n != bulk {
		err = fmt.Errorf("received %d bytes of %d", n, bulk)
	}
	return err
}

// zeros is an endless source of them.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// String names the two ends, the sender first.
func (tr transfer) String() string {
	from, to := tr.client.Name, tr.server.Name
	if tr.download {
		from, to = to, from
	}
	return from + " → " + to
}

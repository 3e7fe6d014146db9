package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"warren.mesh/test/lab"
)

const (
	// bulk is how many bytes a transfer has: many windows of full segments.
	bulk     = 16 << 20
	bulkPort = 9001
	// bulkTime is far more than a transfer takes. One that stops at the first full segment never ends.
	bulkTime = 30 * time.Second
)

// testBulk fills segments on paths with a smaller MTU on the way: the mesh's, which a pod's interface has and a host's has
// not.
func testBulk(t *testing.T, h *hosts) {
	watch := h.Watch(t)
	h.families(t, func(t *testing.T, like netip.Addr) {
		for _, ends := range [][2]*lab.Host{
			{h.a.Host, h.far.Host}, {h.one.Host, h.far.Host}, {h.a.Host, h.three.Host}, {h.a.Host, h.Outside},
		} {
			for _, sender := range []int{0, 1} {
				transfer{client: ends[0], server: ends[1], like: like, download: sender == 1}.check(t)
			}
		}
	})
	if t.Failed() {
		t.Logf("on the underlay: %v", watch.Stop())
	}
}

// transfer is bulk bytes over one TCP connection.
type transfer struct {
	client, server *lab.Host
	// like tells the family.
	like netip.Addr
	// download has the server send.
	download bool
}

func (tr transfer) check(t *testing.T) {
	t.Helper()
	listener := tr.server.Listen(t, "tcp", fmt.Sprintf(":%d", bulkPort))
	defer listener.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = pump(conn, tr.download)
		}
		served <- err
	}()
	begin := time.Now()
	conn, err := tr.client.Dial(t.Context(), "tcp", netip.AddrPortFrom(tr.server.Addr(tr.like), bulkPort).String())
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

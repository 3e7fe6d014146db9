package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// wire carries datagrams between the sockets of a test.
type wire struct {
	mu      sync.Mutex
	sockets map[netip.Addr]*socket
	// carries says what arrives; nil for all.
	carries func(from, to netip.Addr, ipSize int) bool
	opened  int
	// bytes counts what each address has sent and received.
	sent, received map[netip.Addr]int
}

type datagram struct {
	from netip.AddrPort
	data []byte
}

type socket struct {
	wire   *wire
	own    netip.AddrPort
	in     chan datagram
	closed chan struct{}
	stale  bool
}

func newWire() *wire {
	return &wire{sockets: map[netip.Addr]*socket{}, sent: map[netip.Addr]int{}, received: map[netip.Addr]int{}}
}

func (w *wire) open(own netip.Addr) (Socket, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened++
	s := &socket{wire: w, own: netip.AddrPortFrom(own, Port), in: make(chan datagram, 4096)}
	s.closed = make(chan struct{})
	w.sockets[own] = s
	return s, nil
}

func (s *socket) Send(message []byte, to netip.AddrPort) error {
	w := s.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent[s.own.Addr()] += len(message)
	other := w.sockets[to.Addr()]
	if other == nil || to.Port() != Port ||
		w.carries != nil && !w.carries(s.own.Addr(), to.Addr(), len(message)+headers(to.Addr())) {
		return nil
	}
	select {
	case other.in <- datagram{s.own, message}:
		w.received[to.Addr()] += len(message)
	default:
	}
	return nil
}

func (s *socket) Receive(buffer []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-s.in:
		return copy(buffer, d.data), d.from, nil
	case <-s.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (s *socket) Stale() bool {
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	return s.stale
}

func (s *socket) Close() error { close(s.closed); return nil }

// gateway is that of node i.
func gateway(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}) }

func name(i int) string { return fmt.Sprintf("node-%04d", i) }

// stateOf is what node i has: all other nodes as peers.
func stateOf(i, nodes int) (s mesh.State) {
	s.Link = mesh.Link{Name: "warren0", MTU: 1420, Addresses: []netip.Prefix{netip.PrefixFrom(gateway(i), 32)}}
	for j := range nodes {
		if j == i {
			continue
		}
		s.Peers = append(s.Peers, mesh.Peer{Node: name(j), AllowedIPs: []netip.Prefix{
			netip.PrefixFrom(gateway(j), 24).Masked(),
			netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(j)}), 32),
		}})
	}
	return s
}

// station starts node i's; it ends with the test.
func station(t *testing.T, w *wire, i, nodes int) *Station {
	t.Helper()
	s := New(Config{Node: name(i), Open: w.open, Report: func(err error) {
		if err != nil {
			t.Errorf("reported %v", err)
		}
	}})
	s.Set(stateOf(i, nodes))
	runs(t, s)
	return s
}

// runs runs a station until the test ends.
func runs(t *testing.T, s *Station) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	synctest.Wait()
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := station(t, w, 0, 3)
		station(t, w, 1, 3)
		station(t, w, 2, 3)
		// Node 2's path carries 1,232 bytes, one way.
		w.carries = func(_, to netip.Addr, size int) bool { return to != gateway(2) || size <= 1232 }
		r, err := a.Ping(t.Context(), status.PingRequest{Count: 4})
		if err != nil || len(r.Peers) != 2 || r.Node != name(0) || r.MTU != 1420 {
			t.Fatalf("%+v, %v", r, err)
		}
		for i, want := range []int{1420, 1232} {
			p := r.Peers[i]
			if p.Node != name(i+1) || p.Address != gateway(i+1) || p.PathMTU != want || p.Answered != 4 ||
				p.Reason != "" {
				t.Errorf("%+v, want a path MTU of %d", p, want)
			}
		}
	})
}

// A peer that hangs costs its own answers, and no other's time.
func TestHungPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := station(t, w, 0, 100)
		for i := 1; i < 100; i++ {
			station(t, w, i, 100)
		}
		w.carries = func(_, to netip.Addr, _ int) bool { return to != gateway(50) }
		began := time.Now()
		r, err := a.Ping(t.Context(), status.PingRequest{Count: 4})
		if took := time.Since(began); err != nil || took > 5*time.Second {
			t.Errorf("it took %v, %v", took, err)
		}
		for _, p := range r.Peers {
			want := status.Measurement{At: p.At, Sent: 4, Answered: 4, RTT: &status.RoundTrips{}, PathMTU: 1420}
			if p.Node == name(50) {
				want = status.Measurement{At: p.At, Sent: 4}
			}
			if p.Lost() != want.Lost() || p.PathMTU != want.PathMTU || (p.RTT == nil) != (want.RTT == nil) {
				t.Errorf("%s: %+v", p.Node, p.Measurement)
			}
		}
	})
}

// No answer is larger than what was asked, whatever is asked.
func TestNoAmplification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := station(t, w, 0, 2)
		station(t, w, 1, 2)
		if _, err := a.Ping(t.Context(), status.PingRequest{Count: 20}); err != nil {
			t.Fatal(err)
		}
		if sent, got := w.sent[gateway(0)], w.sent[gateway(1)]; got == 0 || got > sent {
			t.Errorf("%d bytes were answered with %d", sent, got)
		}
	})
}

// Nobody answers in another's name: not from another address, and not without the nonce.
func TestOthersDoNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := station(t, w, 0, 3)
		s, _ := w.open(gateway(2))
		liar := s.(*socket)
		s, _ = w.open(gateway(1))
		dumb := s.(*socket)
		go func() {
			for {
				d, open := <-dumb.in
				if !open {
					return
				}
				_, nonce, _ := Decode(d.data)
				_ = liar.Send(Encode(Reply, nonce, HeaderSize), d.from)
				_ = dumb.Send(Encode(Reply, Nonce{1}, HeaderSize), d.from)
			}
		}()
		r, err := a.Ping(t.Context(), status.PingRequest{Nodes: []string{name(1)}, Count: 2})
		close(dumb.in)
		if err != nil || r.Peers[0].Answered != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestPingRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := station(t, w, 0, 3)
		for _, node := range []string{name(0), "none"} {
			request := status.PingRequest{Nodes: []string{name(1), node}, Count: 1}
			if _, err := a.Ping(t.Context(), request); !errors.Is(err, ErrNoPeer) {
				t.Errorf("%s: %v", node, err)
			}
		}
		if _, err := New(Config{}).Ping(t.Context(), status.PingRequest{Count: 1}); !errors.Is(err, ErrNotReady) {
			t.Errorf("without a socket: %v", err)
		}
	})
}

// What there was no time for is said, and is not taken for lost.
func TestPingEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := station(t, w, 0, 3)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		r, err := a.Ping(ctx, status.PingRequest{Count: 4})
		if err != nil || r.Peers[0].Reason == "" || r.Peers[0].PathMTU != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// A socket follows its interface and its address.
func TestSocketsFollowTheInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := station(t, w, 0, 2)
		station(t, w, 1, 2)
		opened := w.opened
		w.sockets[gateway(0)].stale = true
		time.Sleep(2 * looks)
		if w.opened != opened+1 {
			t.Errorf("%d sockets opened after the interface was made anew", w.opened-opened)
		}
		moved := stateOf(0, 2)
		moved.Link.Addresses = []netip.Prefix{netip.MustParsePrefix("10.9.9.1/32")}
		a.Set(moved)
		synctest.Wait()
		if w.opened != opened+2 || w.sockets[addr("10.9.9.1")] == nil {
			t.Errorf("%d sockets opened after the address has changed", w.opened-opened)
		}
	})
}

package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/probe"
	"warren.mesh/mesh/status"
)

// answering is the socket of a node whose peers answer, each after its own time; large probes to slow ones are lost.
type answering struct {
	after   map[netip.Addr]time.Duration
	replies chan reply
	closed  chan struct{}
}

type reply struct {
	from    netip.AddrPort
	message []byte
}

func (a *answering) Send(message []byte, to netip.AddrPort) error {
	after := a.after[to.Addr()]
	if len(message) > 100 && after > time.Second/2 {
		return nil
	}
	_, nonce, _ := probe.Decode(message)
	time.AfterFunc(after, func() { a.replies <- reply{to, probe.Encode(probe.Reply, nonce, len(message))} })
	return nil
}

func (a *answering) Receive(buffer []byte) (int, netip.AddrPort, error) {
	select {
	case r := <-a.replies:
		return copy(buffer, r.message), r.from, nil
	case <-a.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (a *answering) Stale() bool  { return false }
func (a *answering) Close() error { close(a.closed); return nil }

// near and far are peers' gateways. The far one's path carries small packets alone.
var near, far = netip.MustParseAddr("10.0.1.1"), netip.MustParseAddr("10.0.2.1")

// askingStation is of a node with the two peers.
func askingStation(t *testing.T) *probe.Station {
	t.Helper()
	socket := &answering{
		after:   map[netip.Addr]time.Duration{near: time.Millisecond, far: 990 * time.Millisecond},
		replies: make(chan reply, 100), closed: make(chan struct{}),
	}
	station := probe.New(probe.Config{
		Node: "node-a", Open: func(netip.Addr) (probe.Socket, error) { return socket, nil }, Report: func(error) {},
	})
	var s mesh.State
	s.Link = mesh.Link{Name: "warren0", MTU: 1420, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}}
	for node, gateway := range map[string]netip.Addr{"far": far, "near": near} {
		p := mesh.Peer{Node: node, AllowedIPs: []netip.Prefix{netip.PrefixFrom(gateway, 24).Masked()}}
		s.Peers = append(s.Peers, p)
	}
	station.Set(s)
	ended := make(chan struct{})
	go func() { station.Run(t.Context()); close(ended) }()
	t.Cleanup(func() { <-ended })
	synctest.Wait()
	return station
}

// One slow peer costs no answer of another's: at the end of the time that is left the daemon tells what it has. Without
// a search for the path's MTU, a narrow path is no slower than another.
func TestProbeWithinALimit(t *testing.T) {
	for name, tt := range map[string]struct {
		request status.PingRequest
		reason  string
		atMost  time.Duration
	}{
		"a limit":     {status.PingRequest{Count: 1, Seconds: 8}, "no time was left", 8 * time.Second},
		"no path MTU": {status.PingRequest{Count: 1, Seconds: 8, SkipPathMTU: true}, "", time.Second},
		"no limit":    {status.PingRequest{Count: 1}, "", time.Minute},
		"a long one":  {status.PingRequest{Count: 100, Seconds: 3600}, "no time was left", 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				station := askingStation(t)
				body, _ := json.Marshal(tt.request)
				began, w := time.Now(), httptest.NewRecorder()
				handleProbe(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, probePath,
					strings.NewReader(string(body))), station)
				var r status.PingReport
				if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || len(r.Peers) != 2 {
					t.Fatalf("%d: %v: %s", w.Code, err, w.Body)
				}
				if took := time.Since(began); took > tt.atMost {
					t.Errorf("it took %v", took)
				}
				slow, quick := r.Peers[0], r.Peers[1]
				if quick.Answered != tt.request.Count || (quick.PathMTU == 1420) == tt.request.SkipPathMTU ||
					quick.Reason != "" {
					t.Errorf("the quick peer: %+v", quick)
				}
				if slow.Answered == 0 || !strings.HasPrefix(slow.Reason, tt.reason) ||
					(slow.Reason == "") != (tt.reason == "") {
					t.Errorf("the slow peer: %+v", slow)
				}
			})
		})
	}
}

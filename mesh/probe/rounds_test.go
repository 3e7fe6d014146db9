package probe

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh/status"
)

// asking starts node 0 with probes in the background, among so many nodes that answer.
func asking(t *testing.T, w *wire, nodes int) *Station {
	t.Helper()
	for i := 1; i < nodes; i++ {
		station(t, w, i, nodes)
	}
	s := New(Config{Node: name(0), Open: w.open, Report: func(error) {}, Interval: 30 * time.Second})
	s.Set(stateOf(0, nodes))
	runs(t, s)
	return s
}

// Every peer is asked in turn, and what is found of the last rounds is remembered: loss, and what the path carries.
func TestRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		s := asking(t, w, 12)
		narrow := 1232
		w.carries = func(_, to netip.Addr, size int) bool {
			return to != gateway(3) && (to != gateway(2) || size <= narrow)
		}
		time.Sleep(10 * time.Minute)
		p := s.Probes()
		if len(p.Peers) != 11 || p.Answered == 0 || p.Lost == 0 {
			t.Fatalf("%d peers are known, %d answers, %d lost", len(p.Peers), p.Answered, p.Lost)
		}
		for i := 1; i < 12; i++ {
			m := p.Peers[name(i)]
			lost, mtu := 0, 1420
			switch i {
			case 2:
				mtu = 1232
			case 3:
				lost, mtu = 100, 0
			}
			if m.Lost() != lost || m.PathMTU != mtu || m.Sent > remembered*perPeerRound {
				t.Errorf("%s: %+v", name(i), m)
			}
		}
		if mtu, node := p.LeastPathMTU(); mtu != 1232 || node != name(2) {
			t.Errorf("%d to %s is the least", mtu, node)
		}
		for _, narrow = range []int{1300, 900, 1420} {
			time.Sleep(5 * time.Minute)
			if m := s.Probes().Peers[name(2)]; m.PathMTU != narrow {
				t.Errorf("%d bytes pass: %+v", narrow, m)
			}
		}
		s.Set(stateOf(0, 4))
		time.Sleep(time.Minute)
		if p := s.Probes(); len(p.Peers) != 3 {
			t.Errorf("%d peers are known of three", len(p.Peers))
		}
	})
}

// With 5,000 peers that do not answer, a round asks eight, and begins every five minutes.
func TestRoundIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		s := New(Config{Node: name(0), Open: w.open, Report: func(error) {}, Interval: 30 * time.Second})
		s.Set(stateOf(0, 5001))
		runs(t, s)
		time.Sleep(time.Hour)
		p := s.Probes()
		if rounds := p.Lost / (perRound * perPeerRound); rounds < 11 || rounds > 13 {
			t.Errorf("%d rounds in an hour: %d probes", rounds, p.Lost)
		}
		if most := int(p.Lost) * HeaderSize; w.sent[gateway(0)] > most {
			t.Errorf("%d bytes sent, want %d", w.sent[gateway(0)], most)
		}
	})
}

func TestNoRoundsWithoutAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		s := station(t, w, 0, 3)
		time.Sleep(time.Hour)
		if p := s.Probes(); len(p.Peers) > 0 || w.sent[gateway(0)] > 0 {
			t.Errorf("%+v, %d bytes sent", p, w.sent[gateway(0)])
		}
	})
}

func TestProbesCount(t *testing.T) {
	var p status.Probes
	for _, took := range []time.Duration{time.Millisecond, 2 * time.Millisecond, 2 * time.Second} {
		p.Add(took, true)
	}
	p.Add(0, false)
	if want := [8]uint64{0, 1, 2, 2, 2, 2, 2, 2}; p.RTTs != want || p.Answered != 3 || p.Lost != 1 {
		t.Errorf("%+v", p)
	}
}

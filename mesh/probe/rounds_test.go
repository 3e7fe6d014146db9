package probe

import (
	"net/netip"
	"slices"
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

// namesOf are those of nodes from first on.
func namesOf(first, count int) (all []string) {
	for i := range count {
		all = append(all, name(first+i))
	}
	return all
}

// A silent peer of 5,000 is in each round, also one that became silent while another was yet to be asked; a round stays
// as large as it is.
func TestSilentPeersAreAskedFirst(t *testing.T) {
	var r rounds
	nodes := namesOf(0, 5000)
	r.draw(nodes, namesOf(100, silentPerRound+1))
	for i, silent := range [][]string{{name(7)}, {name(7), name(4000)}, {name(4000)}, {"no-node"}, nil} {
		drawn := r.draw(nodes, silent)
		for _, node := range silent {
			if slices.Contains(drawn, node) != slices.Contains(nodes, node) {
				t.Errorf("round %d: %s is silent, and asked are %v", i, node, drawn)
			}
		}
		if distinct := slices.Compact(slices.Sorted(slices.Values(drawn))); len(distinct) != perRound {
			t.Errorf("round %d: %v", i, drawn)
		}
	}
}

// A node with hundreds of silent peers asks each of them, and the others too.
func TestSilentPeersLeaveRoomForOthers(t *testing.T) {
	var r rounds
	nodes, silent := namesOf(0, 500), namesOf(0, 400)
	asked := map[string]int{}
	for range 2 * len(nodes) / perRound {
		drawn := r.draw(nodes, silent)
		if len(drawn) > perRound {
			t.Fatalf("%d in a round", len(drawn))
		}
		for _, node := range drawn {
			asked[node]++
		}
	}
	for _, node := range nodes {
		if asked[node] == 0 {
			t.Errorf("%s was not asked", node)
		}
	}
}

// The rounds ask those that the daemon calls silent.
func TestRoundsAskSilentPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		s := New(Config{
			Node: name(0), Open: w.open, Report: func(error) {}, Interval: 30 * time.Second,
			Silent: func() []string { return []string{name(3000)} },
		})
		s.Set(stateOf(0, 5001))
		runs(t, s)
		time.Sleep(2 * time.Minute)
		if m := s.Probes().Peers[name(3000)]; m.Sent != perPeerRound {
			t.Errorf("%+v after the first round", m)
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

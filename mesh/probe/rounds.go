package probe

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/status"
)

const (
	// perRound is how many peers are asked in one round.
	perRound = 8
	// perPeer is how long a round is at least, for each peer: a mesh of thousands is not asked more often than one of
	// hundreds.
	perPeer = 60 * time.Millisecond
	// perPeerRound is how many small probes a peer gets in a round: the first may wait for a handshake.
	perPeerRound = 2
	// remembered is of how many rounds in which a peer was asked it is remembered what they found.
	remembered = 10
	// roundTime bounds a round.
	roundTime = time.Minute
)

// rounds is what the probes in the background have found out. Its methods may be called concurrently.
type rounds struct {
	mu    sync.Mutex
	found map[string][]status.Measurement
	total status.Probes
	// deck are the peers that are yet to be asked, in no order, before one of them is asked again.
	deck []string
}

// every returns how long a round is with so many peers.
func every(interval time.Duration, peers int) time.Duration {
	return max(interval, time.Duration(peers)*perPeer)
}

// probe asks a few peers in each round until ctx ends; zero is no interval. Rounds do not overlap, and the first is at
// any time of its interval: nodes that start at once do not ask at once.
func (s *Station) probe(ctx context.Context) {
	if s.cfg.Interval <= 0 {
		return
	}
	wait := rand.N(s.cfg.Interval)
	for loop.Sleep(ctx, wait) {
		s.round(ctx)
		wait = every(s.cfg.Interval, len(s.peers.nodes()))
	}
}

// round asks a few peers, and forgets those that are none any more.
func (s *Station) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	var group sync.WaitGroup
	for _, node := range s.rounds.draw(s.peers.nodes()) {
		group.Go(func() { s.roundOf(ctx, node) })
	}
	group.Wait()
}

// draw returns the peers of the next round.
func (r *rounds) draw(nodes []string) (drawn []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := func(node string) bool { _, found := slices.BinarySearch(nodes, node); return found }
	maps.DeleteFunc(r.found, func(node string, _ []status.Measurement) bool { return !known(node) })
	if len(r.deck) == 0 {
		r.deck = slices.Clone(nodes)
		rand.Shuffle(len(r.deck), func(i, j int) { r.deck[i], r.deck[j] = r.deck[j], r.deck[i] })
	}
	n := min(len(r.deck), perRound)
	drawn, r.deck = r.deck[:n], r.deck[n:]
	return slices.DeleteFunc(slices.Clone(drawn), func(node string) bool { return !known(node) })
}

func (s *Station) roundOf(ctx context.Context, node string) {
	to, has := gatewayLike(s.peers.of(node), s.has)
	if !has {
		return
	}
	s.mu.Lock()
	w := s.way(to, s.mtu)
	s.mu.Unlock()
	w.known = s.rounds.pathMTU(node)
	through := w.exchange
	w.exchange = func(ctx context.Context, size int, wait time.Duration) (time.Duration, error) {
		took, err := through(ctx, size, wait)
		if size == w.smallest && ctx.Err() == nil {
			s.rounds.count(took, err == nil)
		}
		return took, err
	}
	if m, _ := w.measure(ctx, perPeerRound); ctx.Err() == nil {
		s.rounds.add(node, m)
	}
}

func (r *rounds) count(took time.Duration, answered bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total.Add(took, answered)
}

func (r *rounds) add(node string, m status.Measurement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found == nil {
		r.found = map[string][]status.Measurement{}
	}
	all := append(r.found[node], m)
	r.found[node] = slices.Clone(all[max(len(all)-remembered, 0):])
}

func (r *rounds) pathMTU(node string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return status.Joined(r.found[node]).PathMTU
}

// Probes returns what the probes in the background have found out.
func (s *Station) Probes() status.Probes {
	r := &s.rounds
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.total
	all.Peers = make(map[string]status.Measurement, len(r.found))
	for node, found := range r.found {
		all.Peers[node] = status.Joined(found)
	}
	return all
}

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
	// silentPerRound is how many of them are silent peers at most, while there are some. The others are drawn from all.
	silentPerRound = perRound / 2
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
	// all and silent are the peers that are yet to be asked: of all, and of those that are silent.
	all, silent deck
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
	for _, node := range s.rounds.draw(s.peers.nodes(), s.silent()) {
		group.Go(func() { s.roundOf(ctx, node) })
	}
	group.Wait()
}

// silent returns the peers that are known to be silent.
func (s *Station) silent() []string {
	if s.cfg.Silent == nil {
		return nil
	}
	return s.cfg.Silent()
}

// draw returns the peers of the next round: some of the silent ones first, so that it is soon known that one is back.
// nodes is sorted.
func (r *rounds) draw(nodes, silent []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.found, func(node string, _ []status.Measurement) bool { return !has(nodes, node) })
	silent = slices.DeleteFunc(slices.Clone(silent), func(node string) bool { return !has(nodes, node) })
	slices.Sort(silent)
	first := r.silent.draw(silent, silentPerRound, nil)
	// Those that have become silent since the deck was made are in the next one.
	first = append(first, r.silent.draw(silent, silentPerRound-len(first), first)...)
	return append(first, r.all.draw(nodes, perRound-len(first), first)...)
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

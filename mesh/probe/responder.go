package probe

import (
	"net/netip"
	"time"
)

// How many requests a second are answered at one gateway address: of all peers together, and of each one. Between the
// answers to one peer's search for its path's MTU lies a round trip at least, and a peer that asks without end takes no
// other's answers.
const (
	answersAll  = 1000
	answersEach = 100
)

// bucket bounds how often something happens. The zero value is full.
type bucket struct {
	used float64
	at   time.Time
}

// take reports whether it may happen once more: so many times at once, and so many times a second.
func (b *bucket) take(perSecond int, now time.Time) bool {
	b.used = max(b.used-max(now.Sub(b.at).Seconds(), 0)*float64(perSecond), 0)
	b.at = now
	if b.used+1 > float64(perSecond) {
		return false
	}
	b.used++
	return true
}

// responder decides who is answered. It is not safe for concurrent use.
type responder struct {
	// knows reports whether an address is the gateway of a peer.
	knows func(netip.Addr) bool
	all   bucket
	each  map[netip.Addr]*bucket
}

// maxSources bounds how many sources are remembered; when there are more, all are forgotten. Only peers' are.
const maxSources = 10_000

// answer returns the reply to a datagram; nil for none. It is as long as the request.
func (r *responder) answer(from netip.AddrPort, request []byte, now time.Time) []byte {
	if from.Port() != Port || !r.knows(from.Addr()) {
		return nil
	}
	kind, nonce, ok := Decode(request)
	if !ok || kind != Request || !r.source(from.Addr()).take(answersEach, now) || !r.all.take(answersAll, now) {
		return nil
	}
	return Encode(Reply, nonce, len(request))
}

func (r *responder) source(from netip.Addr) *bucket {
	if r.each == nil || len(r.each) >= maxSources {
		r.each = map[netip.Addr]*bucket{}
	}
	if r.each[from] == nil {
		r.each[from] = &bucket{}
	}
	return r.each[from]
}

package mesh

import (
	"net/netip"
	"slices"
	"time"

	"warren.mesh/keys"
)

// Answers follows which peers answer, from one reading of the device to the next, and says which endpoints to set. The
// zero value knows nothing of any peer. No method changes its receiver.
type Answers struct {
	// last is the last reading, sorted by key, and at its time.
	last []PeerStatus
	at   time.Time
	// open are the peers that have not been heard since something went to them.
	open map[keys.Public]question
}

// question is what a peer has not answered.
type question struct {
	// since is when something went to the peer, after the last turn if there was one; zero while nothing has gone.
	since time.Time
	// turns counts how often the patience with the peer has been over.
	turns int
}

// How long a peer may be silent. A peer answers within 10 seconds what goes to it (KeepaliveTimeout of the WireGuard
// paper), and after 15 seconds of silence the device begins a handshake, which is answered at once. The second more is
// for that: a peer that answers then is not taken for one that does not.
//
// The patience doubles after each round through a peer's endpoints, because most peers that are silent for long are
// down.
const (
	patience     = 16 * time.Second
	mostPatience = 5 * time.Minute
)

// keepaliveSize is what WireGuard's empty packet counts in PeerStatus.Sent, in bytes: header 16, authentication tag 16.
// passiveKeepalive is how long after a packet from the peer the device sends one, if it has sent nothing since
// (KeepaliveTimeout of the WireGuard paper).
const (
	keepaliveSize    = 32
	passiveKeepalive = 10 * time.Second
)

// Next returns the Answers after a reading of the device at a time, and the endpoints to set: a peer to which something
// has gone and which has been silent for 16 seconds since then gets its announced endpoint again if the device uses
// another one, or else the next of those that it announces. A peer that answers keeps what the device uses, announced
// or not: it roams.
//
// peers is what is wanted of the device and statuses the reading, both sorted by key. A peer that only one of them has
// does not count.
func (a Answers) Next(peers []Peer, statuses []PeerStatus, now time.Time) (Answers, []PeerUpdate) {
	next := Answers{last: statuses, at: now, open: make(map[keys.Public]question, len(a.open))}
	var updates []PeerUpdate
	last := a.last
	for _, s := range statuses {
		var before PeerStatus
		before, last = lookUp(last, s)
		q, open := a.open[s.PublicKey]
		if s.heard(before) || !open && s.Sent == before.Sent {
			continue
		}
		i, wanted := find(peers, Peer{PublicKey: s.PublicKey})
		if !wanted {
			continue
		}
		p := peers[i]
		if q.since.IsZero() && s.asks(before, p.Keepalive, a.at, now) {
			q.since, open = now, true
		}
		if q.over(p, now) {
			q = question{turns: q.turns + 1}
			updates = append(updates, p.turn(s.Endpoint)...)
		}
		if open {
			next.open[s.PublicKey] = q
		}
	}
	return next, updates
}

// lookUp returns the status of the same peer as s, the zero value if there is none, and the statuses from there on.
func lookUp(sorted []PeerStatus, s PeerStatus) (same PeerStatus, rest []PeerStatus) {
	for i := range sorted {
		switch order := sorted[i].compareKey(s); {
		case order == 0:
			return sorted[i], sorted[i:]
		case order > 0:
			return PeerStatus{}, sorted[i:]
		}
	}
	return PeerStatus{}, nil
}

// Unanswered returns how many peers have not answered what went to them for 16 seconds or longer.
func (a Answers) Unanswered() (count int) {
	for _, q := range a.open {
		if q.turns > 0 {
			count++
		}
	}
	return count
}

// Silent reports whether a peer is among those that Unanswered counts.
func (a Answers) Silent(key keys.Public) bool { return a.open[key].turns > 0 }

// heard reports whether something came from the peer between the two readings. One that the device has only now, after
// another device or a removal, begins anew.
func (s PeerStatus) heard(before PeerStatus) bool {
	return s.Received > before.Received || s.LastHandshake.After(before.LastHandshake) ||
		s.Received < before.Received || s.Sent < before.Sent
}

// asks reports whether more has gone to the peer between two readings than keepalives, which nobody answers. A device
// without a session sends none. One with a session sends them whether asked to or not: each packet from the peer that
// this node has nothing to say to gets one, so a peer that had the last word is not taken for silent.
func (s PeerStatus) asks(before PeerStatus, keepalive time.Duration, then, now time.Time) bool {
	var idle uint64
	if s.connected(now) {
		interval := passiveKeepalive
		if keepalive > 0 {
			interval = min(interval, keepalive)
		}
		idle = keepaliveSize * uint64(now.Sub(then)/interval+1)
	}
	return s.Sent > before.Sent+idle
}

// over reports whether the patience with the peer is over.
func (q question) over(p Peer, now time.Time) bool {
	rounds := q.turns / max(len(p.endpoints()), 1)
	return !q.since.IsZero() && now.Sub(q.since) >= min(patience<<min(rounds, 8), mostPatience)
}

// turn returns the update after which the device uses the announced endpoint that follows the one in use; none if there
// is no other.
func (p Peer) turn(used netip.AddrPort) []PeerUpdate {
	announced := p.endpoints()
	if len(announced) == 0 {
		return nil
	}
	next := announced[(slices.Index(announced, used)+1)%len(announced)]
	if next == used {
		return nil
	}
	return []PeerUpdate{{PublicKey: p.PublicKey, Node: p.Node, Endpoint: &next}}
}

// endpoints returns the announced endpoints in order of preference.
func (p Peer) endpoints() []netip.AddrPort {
	if !p.Endpoint.IsValid() {
		return nil
	}
	return append([]netip.AddrPort{p.Endpoint}, p.Alternatives...)
}

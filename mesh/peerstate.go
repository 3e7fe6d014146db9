package mesh

import (
	"time"

	"warren.mesh/keys"
)

// PeerState is how a peer fares, in a word.
type PeerState string

// The states of a peer. An idle peer may be well or dead: nothing has gone to it that it could have answered.
const (
	// PeerConnected has a session: a handshake within the last 180 seconds (Reject-After-Time of the WireGuard paper).
	PeerConnected PeerState = "connected"
	// PeerUnanswered has none, although something that it should have answered went to the peer within the last 180
	// seconds: no keepalive, and nothing that a packet within a session has followed.
	PeerUnanswered PeerState = "unanswered"
	// PeerIdle has neither.
	PeerIdle PeerState = "idle"
	// PeerMissing is desired and not on the device.
	PeerMissing PeerState = "missing"
)

// PeerStates are all states of a peer.
var PeerStates = []PeerState{PeerConnected, PeerUnanswered, PeerIdle, PeerMissing}

// Traffic follows when something last went to each peer that has not answered it, from one reading of the device to the
// next. The zero value knows nothing. No method changes its receiver.
type Traffic struct {
	// last is the last reading, sorted by key, and at its time.
	last []PeerStatus
	at   time.Time
	// asked is when what had gone to each peer last grew: the time of the reading that showed it. Peers that have
	// answered, and those to which nothing has gone for 180 seconds, are not in it.
	asked map[keys.Public]time.Time
}

// Next returns the Traffic after a reading of the device at a time, which is sorted by key. Bytes that went before the
// first reading do not count: nobody knows when.
func (t Traffic) Next(statuses []PeerStatus, now time.Time) Traffic {
	next := Traffic{last: statuses, at: now, asked: map[keys.Public]time.Time{}}
	last := t.last
	for _, s := range statuses {
		var before PeerStatus
		before, last = lookUp(last, s)
		known := before.PublicKey == s.PublicKey && s.Sent >= before.Sent
		if !known || s.answers(before, now) {
			continue
		}
		asked, ok := t.asked[s.PublicKey]
		if s.asks(before, 0, t.at, now) {
			asked, ok = now, true
		}
		if ok && now.Sub(asked) < sessionLife {
			next.asked[s.PublicKey] = asked
		}
	}
	return next
}

// answers reports whether something came from the peer between two readings that shows a session. Without one, what
// comes is the peer's own attempts to begin one, and this node's answers to them may be what is lost.
func (s PeerStatus) answers(before PeerStatus, now time.Time) bool {
	return s.LastHandshake.After(before.LastHandshake) || s.connected(now) && s.Received > before.Received
}

// State returns how a peer of the device fares at a time.
func (t Traffic) State(s PeerStatus, now time.Time) PeerState {
	if s.connected(now) {
		return PeerConnected
	}
	if asked, ok := t.asked[s.PublicKey]; ok && now.Sub(asked) < sessionLife {
		return PeerUnanswered
	}
	return PeerIdle
}

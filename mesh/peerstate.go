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
	// PeerUnanswered has none, although something went to the peer within the last 180 seconds.
	PeerUnanswered PeerState = "unanswered"
	// PeerIdle has neither.
	PeerIdle PeerState = "idle"
	// PeerMissing is desired and not on the device.
	PeerMissing PeerState = "missing"
)

// PeerStates are all states of a peer.
var PeerStates = []PeerState{PeerConnected, PeerUnanswered, PeerIdle, PeerMissing}

// Traffic follows when something last went to each peer, from one reading of the device to the next. The zero value
// knows nothing. No method changes its receiver.
type Traffic struct {
	// sent is what had gone to each peer at the last reading, and asked when that last grew: the time of the reading
	// that showed it. Peers to which nothing has gone for 180 seconds are not in asked.
	sent  map[keys.Public]uint64
	asked map[keys.Public]time.Time
}

// Next returns the Traffic after a reading of the device at a time. Bytes that went before the first reading do not
// count: nobody knows when.
func (t Traffic) Next(statuses []PeerStatus, now time.Time) Traffic {
	next := Traffic{sent: make(map[keys.Public]uint64, len(statuses)), asked: map[keys.Public]time.Time{}}
	for _, s := range statuses {
		key := s.PublicKey
		next.sent[key] = s.Sent
		before, known := t.sent[key]
		switch asked, ok := t.asked[key]; {
		case known && s.Sent > before:
			next.asked[key] = now
		case ok && s.Sent == before && now.Sub(asked) < sessionLife:
			next.asked[key] = asked
		}
	}
	return next
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

package mesh

import (
	"net/netip"
	"slices"
	"time"

	"warren.mesh/keys"
)

// sessionLife is WireGuard's Reject-After-Time: a peer whose last handshake is older has no session that works. In one
// that is used there is a new handshake every two minutes.
const sessionLife = 180 * time.Second

// KeepEndpoints is an observed state as Diff should see it, so that peers may roam: what WireGuard has learnt of a peer's
// whereabouts is better than what was announced, as long as it works. previous is the state set last (zero after a
// restart), now the time.
//
// A peer in a session is given previous's endpoint, by which Diff sees a new announcement and nothing else; if previous
// does not know the peer it is Roamed. A peer in none keeps the endpoint observed: should it have roamed to where nobody
// answers any more, Diff sends it back to where it says it is.
func (s State) KeepEndpoints(previous State, now time.Time) State {
	set := make(map[keys.Public]netip.AddrPort, len(previous.Peers))
	for _, p := range previous.Peers {
		set[p.PublicKey] = p.Endpoint
	}
	s.Peers = slices.Clone(s.Peers)
	for i := range s.Peers {
		p := &s.Peers[i]
		if p.LastHandshake.IsZero() || now.Sub(p.LastHandshake) >= sessionLife {
			continue
		}
		endpoint, known := set[p.PublicKey]
		if known {
			p.Endpoint = endpoint
		}
		p.Roamed = !known
	}
	return s
}

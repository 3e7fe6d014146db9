package mesh

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"warren.mesh/keys"
)

// Observation is what was seen of a host at one moment.
type Observation struct {
	// State is what is configured. Its peers have the endpoints that the device uses.
	State
	// Statuses has one entry for each peer of the device, sorted by key.
	Statuses []PeerStatus
	// Guarded says that a guard of warren's is in force. Where State has no Firewall, the guard is another version's,
	// or others have altered it.
	Guarded bool
}

// PeerStatus is what is seen of one WireGuard peer and cannot be configured.
type PeerStatus struct {
	PublicKey keys.Public
	// Endpoint is where the device sends the peer's packets now; the zero value where it knows no endpoint.
	Endpoint netip.AddrPort
	// LastHandshake is the time of the last completed handshake; the zero value if there was none.
	LastHandshake time.Time
	// Received and Sent count the bytes of the tunnel's UDP payload, handshakes and keepalives included, since the peer
	// was added to the device.
	Received, Sent uint64
}

// sessionLife is WireGuard's Reject-After-Time: a session ends this long after its handshake. While packets flow, the
// device makes a new handshake every two minutes.
const sessionLife = 180 * time.Second

// connected reports whether the peer has a session at a time. A handshake ahead of the clock counts as recent.
func (s PeerStatus) connected(now time.Time) bool {
	return !s.LastHandshake.IsZero() && now.Sub(s.LastHandshake) < sessionLife
}

// Ahead returns by how much the latest of the handshakes lies ahead of the clock; zero if none does. The device dates
// them by the clock of its own node, so that clock has been set back since.
func Ahead(statuses []PeerStatus, now time.Time) (ahead time.Duration) {
	for _, s := range statuses {
		ahead = max(ahead, s.LastHandshake.Sub(now))
	}
	return ahead
}

// NeverAsked returns those of peers that the device has, and to which it has never sent anything: not even the 148
// bytes with which a handshake begins, after which the device tries again by itself.
func NeverAsked(peers []Peer, statuses []PeerStatus) []Peer {
	never := map[keys.Public]bool{}
	for _, s := range statuses {
		never[s.PublicKey] = s.Sent == 0
	}
	return slices.DeleteFunc(slices.Clone(peers), func(p Peer) bool { return !never[p.PublicKey] })
}

// Sort sorts the state, and the statuses by key, in place.
func (o *Observation) Sort() {
	o.State.Sort()
	SortStatuses(o.Statuses)
}

// SortStatuses sorts by key, in place.
func SortStatuses(statuses []PeerStatus) { slices.SortFunc(statuses, PeerStatus.compareKey) }

func (s PeerStatus) compareKey(other PeerStatus) int {
	return bytes.Compare(s.PublicKey[:], other.PublicKey[:])
}

// KeepEndpoints returns the observed state as Diff should see it, so that peers may roam: an endpoint that WireGuard
// has learnt is better than the announced one for as long as it works. previous is the state that was set last (zero
// after a restart), want the state to be set, now the time.
//
// A peer that is connected, or that uses one of its alternatives, gets the endpoint that previous asked for, so
// that Diff sees a changed announcement and nothing else. If previous does not know the peer, it gets want's endpoint,
// and Diff sees no difference. Any other peer keeps the observed endpoint: if it has roamed to where nobody answers any
// more, Diff sets the announced endpoint again.
func (o Observation) KeepEndpoints(previous, want State, now time.Time) State {
	set := endpointsOf(want.Peers)
	for key, endpoint := range endpointsOf(previous.Peers) {
		set[key] = endpoint
	}
	connected := make(map[keys.Public]bool, len(o.Statuses))
	for _, s := range o.Statuses {
		connected[s.PublicKey] = s.connected(now)
	}
	have := o.State
	have.Peers = slices.Clone(have.Peers)
	for i, p := range have.Peers {
		endpoint, known := set[p.PublicKey]
		if known && (connected[p.PublicKey] || want.alternative(p)) {
			have.Peers[i].Endpoint = endpoint
		}
	}
	return have
}

// alternative reports whether the observed peer uses an alternative to its preferred endpoint. Answers has found that
// the preferred one does not answer, and tries it again if this one does not either.
func (s State) alternative(seen Peer) bool {
	i, wanted := find(s.Peers, seen)
	return wanted && slices.Contains(s.Peers[i].Alternatives, seen.Endpoint)
}

func endpointsOf(peers []Peer) map[keys.Public]netip.AddrPort {
	all := make(map[keys.Public]netip.AddrPort, len(peers))
	for _, p := range peers {
		all[p.PublicKey] = p.Endpoint
	}
	return all
}

package status

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// Peer is a WireGuard peer of one node, as it is wanted and as the device has it.
type Peer struct {
	// Node is the peer's Node; empty where nothing but the device was read, which keeps no names.
	Node      string         `json:"node,omitempty"`
	State     mesh.PeerState `json:"state"`
	PublicKey keys.Public    `json:"publicKey"`
	// LastHandshake is absent if there was none.
	LastHandshake time.Time `json:"lastHandshake,omitzero"`
	// Endpoint is where the device sends, and Announced the endpoint that the Node announces first. They differ after
	// the peer has roamed. Each is absent where there is none.
	Endpoint  netip.AddrPort `json:"endpoint,omitzero"`
	Announced netip.AddrPort `json:"announcedEndpoint,omitzero"`
	// Alternatives are the other endpoints that the Node announces and this node could send to.
	Alternatives []netip.AddrPort `json:"otherEndpoints,omitempty"`
	// AllowedIPs are the peer's pod CIDRs and node addresses.
	AllowedIPs []netip.Prefix `json:"allowedIPs,omitempty"`
	// KeepaliveSeconds is the persistent keepalive interval; absent where it is off.
	KeepaliveSeconds int `json:"keepaliveSeconds,omitempty"`
	// ReceivedBytes and SentBytes count the tunnel's UDP payload since the peer was added to the device.
	ReceivedBytes uint64 `json:"receivedBytes"`
	SentBytes     uint64 `json:"sentBytes"`
	// Silent says that nothing has come from the peer for 16 seconds or longer since something was sent to it. It stays
	// until something comes, also while the peer is idle; absent otherwise.
	Silent bool `json:"silent,omitempty"`
	// Probe is what the daemon's probes have found out; absent where it was not asked yet.
	Probe *Measurement `json:"probe,omitempty"`
	// Asked is what the peer answered when the daemon asked it for this report; absent where it was not asked.
	Asked *Measurement `json:"asked,omitempty"`
}

// Reading is what is known of the peers at one time.
type Reading struct {
	At time.Time
	// Wanted are the peers that the node should have, sorted by key, and Statuses those of the device, sorted by key.
	Wanted   []mesh.Peer
	Statuses []mesh.PeerStatus
	Traffic  mesh.Traffic
	Answers  mesh.Answers
}

// Peers returns the wanted peers and those that only the device has, sorted by node and key.
func (r Reading) Peers() []Peer {
	all := make([]Peer, 0, max(len(r.Wanted), len(r.Statuses)))
	r.join(func(p *mesh.Peer, s *mesh.PeerStatus) { all = append(all, r.peer(p, s)) })
	slices.SortFunc(all, func(p, q Peer) int {
		return cmp.Or(cmp.Compare(p.Node, q.Node), bytes.Compare(p.PublicKey[:], q.PublicKey[:]))
	})
	return all
}

// Count returns how many peers are in each state, of all states.
func (r Reading) Count() map[mesh.PeerState]int {
	count := make(map[mesh.PeerState]int, len(mesh.PeerStates))
	for _, state := range mesh.PeerStates {
		count[state] = 0
	}
	r.join(func(_ *mesh.Peer, s *mesh.PeerStatus) { count[r.state(s)]++ })
	return count
}

// Unanswered returns the names of unanswered peers' nodes, sorted, and at most so many. A peer that has not been heard
// since something went to it is one of them even while it is idle.
func (r Reading) Unanswered(most int) []string {
	var names []string
	r.join(func(p *mesh.Peer, s *mesh.PeerStatus) {
		if p != nil && (r.state(s) == mesh.PeerUnanswered || r.Answers.Silent(p.PublicKey)) {
			names = append(names, p.Node)
		}
	})
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), most)]
}

// join calls each for every peer, with what is wanted and what the device has; one of them may be nil.
func (r Reading) join(each func(p *mesh.Peer, s *mesh.PeerStatus)) {
	wanted, statuses := r.Wanted, r.Statuses
	for len(wanted) > 0 || len(statuses) > 0 {
		switch order := compareFirst(wanted, statuses); {
		case order < 0:
			each(&wanted[0], nil)
			wanted = wanted[1:]
		case order > 0:
			each(nil, &statuses[0])
			statuses = statuses[1:]
		default:
			each(&wanted[0], &statuses[0])
			wanted, statuses = wanted[1:], statuses[1:]
		}
	}
}

// compareFirst says which list has the lower key at its beginning. An empty list comes last.
func compareFirst(wanted []mesh.Peer, statuses []mesh.PeerStatus) int {
	switch {
	case len(statuses) == 0:
		return -1
	case len(wanted) == 0:
		return 1
	default:
		return bytes.Compare(wanted[0].PublicKey[:], statuses[0].PublicKey[:])
	}
}

// state returns the state of a peer; nil is not on the device.
func (r Reading) state(s *mesh.PeerStatus) mesh.PeerState {
	if s == nil {
		return mesh.PeerMissing
	}
	return r.Traffic.State(*s, r.At)
}

func (r Reading) peer(p *mesh.Peer, s *mesh.PeerStatus) Peer {
	all := Peer{State: r.state(s)}
	if s != nil {
		all.PublicKey, all.LastHandshake, all.Endpoint = s.PublicKey, s.LastHandshake, s.Endpoint
		all.ReceivedBytes, all.SentBytes = s.Received, s.Sent
	}
	if p != nil {
		all.Node, all.PublicKey, all.Announced, all.AllowedIPs = p.Node, p.PublicKey, p.Endpoint, p.AllowedIPs
		all.Alternatives = p.Alternatives
		all.KeepaliveSeconds = int(p.Keepalive / time.Second)
	}
	all.Silent = r.Answers.Silent(all.PublicKey)
	return all
}

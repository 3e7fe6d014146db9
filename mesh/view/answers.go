package view

import (
	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// Answers returns whether a peer answers. What it answered when it was asked counts more than its state: the device may
// have been read before the answer came. An idle one has no session. It does not answer if the device has heard nothing
// since something went to it, whatever the peer answered before. Probes that were lost say nothing of the device: the
// peer's daemon may be down.
func Answers(p status.Peer) Result {
	asked, probed := measurement(p.Asked), measurement(p.Probe)
	idle := p.State == mesh.PeerIdle
	switch {
	case asked.Answered > 0:
		return OK
	case p.State == mesh.PeerUnanswered, p.State == mesh.PeerMissing, idle && p.Silent:
		return Fail
	case !idle, asked.Sent == 0 && probed.Answered > 0:
		return OK
	default:
		return Unknown
	}
}

// Trouble returns whether a peer does not answer, and as which state that is told: an idle one that is silent is
// unanswered.
func Trouble(p status.Peer) (state mesh.PeerState, bad bool) {
	switch {
	case Answers(p) != Fail:
		return "", false
	case p.State == mesh.PeerMissing:
		return mesh.PeerMissing, true
	default:
		return mesh.PeerUnanswered, true
	}
}

// measurement returns a measurement; the zero value for none.
func measurement(m *status.Measurement) status.Measurement {
	if m == nil {
		return status.Measurement{}
	}
	return *m
}

// Unanswered returns the peers that do not answer. Those that are missing on the device are another fault.
func Unanswered(peers []status.Peer) (all []status.Peer) {
	for _, p := range peers {
		if state, _ := Trouble(p); state == mesh.PeerUnanswered {
			all = append(all, p)
		}
	}
	return all
}

// doubt says which idle peers have to answer before anybody knows.
func doubt(names []string) string {
	return "idle, and nothing tells whether they answer: " + First(names, ", ")
}

// unmeasured says that nothing was sent to a peer to find out whether it answers.
func unmeasured(p status.Peer) bool { return measurement(p.Asked).Sent+measurement(p.Probe).Sent == 0 }

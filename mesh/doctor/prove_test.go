package doctor_test

import (
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// TestProof: what probes show counts more than a session, and only what the device has carried.
func TestProof(t *testing.T) {
	peer := func(sent, received uint64) []status.Peer {
		return []status.Peer{{Node: "node-b", State: mesh.PeerUnanswered, SentBytes: sent, ReceivedBytes: received}}
	}
	for name, tt := range map[string]struct {
		answered, pathMTU int
		// silent says that the daemon did not answer.
		silent        bool
		before, after []status.Peer
		sessions, mtu view.Result
		detail        string
	}{
		"well":                    {100, 1420, false, peer(1000, 1000), peer(9600, 9600), view.OK, view.OK, ""},
		"few answers":             {1, 1420, false, peer(0, 0), peer(9600, 96), view.OK, view.OK, ""},
		"the counters began anew": {100, 1420, false, peer(1e6, 1e6), peer(9600, 9600), view.OK, view.OK, ""},
		"no answer": {
			0, 0, false, peer(0, 0), peer(9600, 0), view.Fail, view.Unknown, "node-a to node-b",
		},
		"too narrow": {100, 1232, false, peer(0, 0), peer(9600, 9600), view.OK, view.Fail, ""},
		"answered, but not by the device": {
			100, 1420, false, peer(0, 5000), peer(9600, 5096), view.Fail, view.OK,
			"node-b answered 100 probes, and the device sent 9600 bytes and received 96",
		},
		"nothing sent by the device": {
			100, 1420, false, peer(0, 0), peer(0, 9600), view.Fail, view.OK, "the device sent 0 bytes",
		},
		"the device was not read": {100, 1420, false, nil, nil, view.Fail, view.OK, "the device sent 0 bytes"},
		"without a daemon":        {0, 0, true, peer(0, 0), peer(0, 0), view.Unknown, view.Unknown, "does not answer"},
	} {
		n := wellNode()
		n.Proof = &doctor.Proof{Before: tt.before, After: tt.after}
		if !tt.silent {
			ping := status.Ping{Node: "node-b"}
			for i := range doctor.Probes {
				ping.Measurement = ping.With(time.Millisecond, i < tt.answered)
			}
			ping.PathMTU = tt.pathMTU
			n.Proof.Pings = status.PingReport{ObservedAt: now, Node: "node-a", MTU: 1420, Peers: []status.Ping{ping}}
		}
		results := map[doctor.ID]view.Check{}
		for _, c := range doctor.CheckNode(n) {
			results[doctor.ID(c.ID)] = c
		}
		sessions, mtu := results[doctor.Sessions], results[doctor.PathMTU]
		if sessions.Result != tt.sessions || mtu.Result != tt.mtu || !strings.Contains(sessions.Detail, tt.detail) {
			t.Errorf("%s: %+v\n%+v", name, sessions, mtu)
		}
	}
}

package mesh_test

import (
	"testing"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// A peer is unanswered for 180 seconds after the last reading that showed more bytes, unless it has answered them, and
// only without a session.
func TestPeerState(t *testing.T) {
	now := epoch.Add(24 * time.Hour)
	const s = time.Second
	type reading struct {
		at        time.Duration
		sent      uint64
		handshake time.Duration // before the reading; zero is never
		received  uint64
	}
	type readings []reading
	for name, tt := range map[string]struct {
		readings readings
		at       time.Duration
		want     mesh.PeerState
	}{
		"never spoken to":          {readings{{0, 0, 0, 0}, {s, 0, 0, 0}}, s, mesh.PeerIdle},
		"before the first reading": {readings{{0, 148, 0, 0}, {s, 148, 0, 0}}, s, mesh.PeerIdle},
		"asked, no answer":         {readings{{0, 0, 0, 0}, {s, 148, 0, 0}}, s, mesh.PeerUnanswered},
		"asked, no answer for long": {
			readings{{0, 0, 0, 0}, {1, 148, 0, 0}, {100 * s, 148, 0, 0}}, 100 * s, mesh.PeerUnanswered,
		},
		"asked, given up": {
			readings{{0, 0, 0, 0}, {1, 148, 0, 0}, {180*s + 1, 148, 0, 0}}, 180*s + 1, mesh.PeerIdle,
		},
		"asked, read long ago": {readings{{0, 0, 0, 0}, {1, 148, 0, 0}}, 180*s + 1, mesh.PeerIdle},
		"asked again": {
			readings{{0, 0, 0, 0}, {1, 148, 0, 0}, {100 * s, 296, 0, 0}}, 200 * s, mesh.PeerUnanswered,
		},
		"a session":                  {readings{{0, 0, 0, 0}, {s, 900, time.Minute, 0}}, s, mesh.PeerConnected},
		"a session that has ended":   {readings{{0, 900, 180 * s, 0}, {1, 900, 180*s + 1, 0}}, 1, mesh.PeerIdle},
		"asked, its session is over": {readings{{0, 900, 179 * s, 0}, {1, 999, 180 * s, 0}}, 1, mesh.PeerUnanswered},
		"asked and answered, then its session is over": {
			readings{
				{0, 0, s, 0}, {99 * s, 900, 100 * s, 0}, {100 * s, 900, 101 * s, 900}, {190 * s, 900, 191 * s, 900},
			},
			190 * s, mesh.PeerIdle,
		},
		"it had the last word, then its session is over": {
			readings{{0, 0, s, 900}, {s, 32, 2 * s, 900}, {179 * s, 32, 180 * s, 900}}, 179 * s, mesh.PeerIdle,
		},
		"it asks, and does not hear the answers": {
			readings{{0, 0, 0, 0}, {s, 92, 0, 148}, {2 * s, 92, 0, 296}}, 2 * s, mesh.PeerUnanswered,
		},
		"another device, fewer bytes": {readings{{0, 0, 0, 0}, {1, 900, 0, 0}, {2, 0, 0, 0}}, 2, mesh.PeerIdle},
	} {
		t.Run(name, func(t *testing.T) {
			var traffic mesh.Traffic
			var status mesh.PeerStatus
			for _, r := range tt.readings {
				status = mesh.PeerStatus{PublicKey: keys.Public{1}, Sent: r.sent, Received: r.received}
				if r.handshake > 0 {
					status.LastHandshake = now.Add(r.at - r.handshake)
				}
				traffic = traffic.Next([]mesh.PeerStatus{status}, now.Add(r.at))
			}
			if got := traffic.State(status, now.Add(tt.at)); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// What a Traffic holds does not grow with peers that are gone.
func TestTrafficForgets(t *testing.T) {
	now := epoch
	status := mesh.PeerStatus{PublicKey: keys.Public{1}}
	traffic := mesh.Traffic{}.Next([]mesh.PeerStatus{status}, now)
	status.Sent = 148
	traffic = traffic.Next([]mesh.PeerStatus{status}, now)
	traffic = traffic.Next(nil, now)
	if got := traffic.State(status, now); got != mesh.PeerIdle {
		t.Errorf("after its removal: %s", got)
	}
}

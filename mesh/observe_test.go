package mesh_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

func TestKeepEndpoints(t *testing.T) {
	announced, moved := netip.MustParseAddrPort("192.0.2.1:51820"), netip.MustParseAddrPort("192.0.2.9:51820")
	learnt, other := netip.MustParseAddrPort("198.51.100.1:4000"), netip.MustParseAddrPort("[2001:db8::1]:51820")
	now := epoch.Add(24 * time.Hour)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	set := mesh.State{Peers: []mesh.Peer{{PublicKey: key("a"), Endpoint: announced}}}
	for name, tt := range map[string]struct {
		previous  mesh.State
		handshake time.Time
		observed  netip.AddrPort
		want      netip.AddrPort
		// set is the endpoint that the next Diff sets; invalid is none.
		set netip.AddrPort
	}{
		"as set":                             {set, ago(time.Minute), announced, announced, netip.AddrPort{}},
		"roamed":                             {set, ago(time.Minute), learnt, announced, netip.AddrPort{}},
		"roamed, then announced another":     {set, ago(time.Minute), learnt, moved, moved},
		"roamed to where it no longer is":    {set, ago(3 * time.Minute), learnt, announced, announced},
		"handshake just recent enough":       {set, ago(3*time.Minute - 1), learnt, announced, netip.AddrPort{}},
		"handshake ahead of the clock":       {set, ago(-time.Second), learnt, announced, netip.AddrPort{}},
		"idle where it was set":              {set, time.Time{}, announced, announced, netip.AddrPort{}},
		"idle at an alternative":             {set, ago(time.Hour), other, announced, netip.AddrPort{}},
		"at an alternative, then another":    {set, ago(time.Hour), other, moved, moved},
		"after a restart, at an alternative": {mesh.State{}, ago(time.Hour), other, announced, netip.AddrPort{}},
		"after a restart, roamed":            {mesh.State{}, ago(time.Minute), learnt, announced, netip.AddrPort{}},
		"after a restart, idle elsewhere":    {mesh.State{}, ago(time.Hour), learnt, announced, announced},
		"after a restart, never seen before": {mesh.State{}, time.Time{}, netip.AddrPort{}, announced, announced},
	} {
		t.Run(name, func(t *testing.T) {
			observed := mesh.Observation{
				State:    mesh.State{Peers: []mesh.Peer{{PublicKey: key("a"), Endpoint: tt.observed}}},
				Statuses: []mesh.PeerStatus{{PublicKey: key("a"), Endpoint: tt.observed, LastHandshake: tt.handshake}},
			}
			peer := mesh.Peer{PublicKey: key("a"), Endpoint: tt.want, Alternatives: []netip.AddrPort{other}}
			want := mesh.State{Peers: []mesh.Peer{peer}}
			before := observed.Peers[0]
			var got netip.AddrPort
			for _, u := range mesh.Diff(want, observed.KeepEndpoints(tt.previous, want, now)).Peers.Update {
				got = *u.Endpoint
			}
			if got != tt.set {
				t.Errorf("Diff sets %v, want %v", got, tt.set)
			}
			if diff := cmp.Diff(before, observed.Peers[0], compareNetip); diff != "" {
				t.Errorf("KeepEndpoints changed its receiver (-before +after):\n%s", diff)
			}
		})
	}
}

func TestNeverAsked(t *testing.T) {
	peers := []mesh.Peer{{PublicKey: key("never")}, {PublicKey: key("silent")}, {PublicKey: key("gone")}}
	statuses := []mesh.PeerStatus{
		{PublicKey: key("silent"), Sent: 148}, {PublicKey: key("never")}, {PublicKey: key("another")},
	}
	got := mesh.NeverAsked(peers, statuses)
	if diff := cmp.Diff(peers[:1], got, compareNetip); diff != "" {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
}

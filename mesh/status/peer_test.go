package status_test

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// reading has one peer in each state, and one that nobody wants.
func reading() status.Reading {
	now := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	before := []mesh.PeerStatus{{PublicKey: keys.Public{1}}, {PublicKey: keys.Public{2}}, {PublicKey: keys.Public{3}}}
	endpoint, roamed := netip.MustParseAddrPort("192.0.2.1:51820"), netip.MustParseAddrPort("198.51.100.7:4711")
	statuses := []mesh.PeerStatus{
		{PublicKey: keys.Public{1}, Endpoint: roamed, LastHandshake: now.Add(-time.Minute), Received: 900, Sent: 1400},
		{PublicKey: keys.Public{2}, Sent: 148},
		{PublicKey: keys.Public{3}},
		{PublicKey: keys.Public{5}},
	}
	pods := []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")}
	return status.Reading{
		At: now,
		Wanted: []mesh.Peer{
			{PublicKey: keys.Public{1}, Node: "d", Endpoint: endpoint, AllowedIPs: pods, Keepalive: 25 * time.Second},
			{PublicKey: keys.Public{2}, Node: "c"}, {PublicKey: keys.Public{3}, Node: "b"},
			{PublicKey: keys.Public{4}, Node: "a"},
		},
		Statuses: statuses,
		Traffic:  mesh.Traffic{}.Next(before, now).Next(statuses, now),
	}
}

// later is reading after ten minutes in which nothing has gone to anybody, and nothing came.
func later() status.Reading {
	r := reading()
	sent := []mesh.PeerStatus{r.Statuses[1]}
	for _, at := range []time.Duration{0, 20 * time.Second} {
		r.Answers, _ = r.Answers.Next(r.Wanted, sent, r.At.Add(at))
	}
	r.At = r.At.Add(10 * time.Minute)
	return r
}

func TestPeers(t *testing.T) {
	text, err := json.MarshalIndent(reading().Peers(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `[
  {
    "state": "idle",
    "publicKey": "BQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "receivedBytes": 0,
    "sentBytes": 0
  },
  {
    "node": "a",
    "state": "missing",
    "publicKey": "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "receivedBytes": 0,
    "sentBytes": 0
  },
  {
    "node": "b",
    "state": "idle",
    "publicKey": "AwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "receivedBytes": 0,
    "sentBytes": 0
  },
  {
    "node": "c",
    "state": "unanswered",
    "publicKey": "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "receivedBytes": 0,
    "sentBytes": 148
  },
  {
    "node": "d",
    "state": "connected",
    "publicKey": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "lastHandshake": "2026-11-28T02:59:00Z",
    "endpoint": "198.51.100.7:4711",
    "announcedEndpoint": "192.0.2.1:51820",
    "allowedIPs": [
      "10.244.1.0/24"
    ],
    "keepaliveSeconds": 25,
    "receivedBytes": 900,
    "sentBytes": 1400
  }
]`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPeerCount(t *testing.T) {
	want := map[mesh.PeerState]int{
		mesh.PeerConnected: 1, mesh.PeerUnanswered: 1, mesh.PeerIdle: 2, mesh.PeerMissing: 1,
	}
	if diff := cmp.Diff(want, reading().Count()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for state, n := range (status.Reading{}).Count() {
		if n != 0 {
			t.Errorf("before the first reading: %d %s", n, state)
		}
	}
}

func TestUnanswered(t *testing.T) {
	for most, want := range map[int][]string{0: {}, 8: {"c"}} {
		for when, r := range map[string]status.Reading{"now": reading(), "idle": later()} {
			if diff := cmp.Diff(want, r.Unanswered(most)); diff != "" {
				t.Errorf("%s, at most %d, -want +got:\n%s", when, most, diff)
			}
		}
	}
}

// A peer that has not answered what went to it stays silent while it is idle.
func TestPeersStaySilent(t *testing.T) {
	var silent []string
	for _, p := range later().Peers() {
		if p.Silent {
			silent = append(silent, p.Node+" "+string(p.State))
		}
	}
	if diff := cmp.Diff([]string{"c idle"}, silent); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

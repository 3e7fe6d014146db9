package monitoring_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// The two gauges of peers that do not answer, as queries name them.
const (
	heardGauge = `warren_peers_unanswered{job="warren"}`
	stateGauge = `warren_peers{job="warren",state="unanswered"}`
)

// silent is a mesh in which a node has so many peers, with none of which it ever has a session. It asks eight of them
// every 30 seconds, as probes do, and its device then sends initiations for 90 seconds, one in five. Where the peers
// are heard, their probes do the same towards it, so that their initiations come, and their answers do not.
type silent struct {
	peers int
	heard bool
}

// The alerts and the dashboard ask for gauges of which one holds while most peers do not answer, how many they may be
// and whether something comes from them or not.
func TestUnansweredPeersStayCounted(t *testing.T) {
	for name, s := range map[string]silent{
		"eight, of which nothing comes":                {8, false},
		"200, of which nothing comes":                  {200, false},
		"eight, of which nothing but initiations come": {8, true},
		"200, of which nothing but initiations come":   {200, true},
	} {
		t.Run(name, func(t *testing.T) {
			least := s.least()
			for where, expr := range unansweredQueries(t) {
				most := 0
				for gauge, n := range least {
					if strings.Contains(expr, gauge) {
						most = max(most, n)
					}
				}
				if most <= s.peers/2 {
					t.Errorf("%s: %d of %d peers are counted at times: %s", where, most, s.peers, expr)
				}
			}
		})
	}
}

// least returns the least that each gauge is in the second half of an hour, with a reading every five seconds.
func (s silent) least() map[string]int {
	var answers mesh.Answers
	var traffic mesh.Traffic
	wanted, statuses := make([]mesh.Peer, s.peers), make([]mesh.PeerStatus, s.peers)
	for i := range s.peers {
		var key keys.Public
		binary.BigEndian.PutUint16(key[:], uint16(i))
		wanted[i].PublicKey, statuses[i].PublicKey = key, key
	}
	least := map[string]int{heardGauge: s.peers, stateGauge: s.peers}
	epoch := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	for second := 0; second < 3600; second += 5 {
		now := epoch.Add(time.Duration(second) * time.Second)
		statuses = s.second(statuses, second)
		answers, _ = answers.Next(wanted, statuses, now)
		traffic = traffic.Next(statuses, now)
		if second < 1800 {
			continue
		}
		states := 0
		for _, p := range statuses {
			if traffic.State(p, now) == mesh.PeerUnanswered {
				states++
			}
		}
		least[heardGauge] = min(least[heardGauge], answers.Unanswered())
		least[stateGauge] = min(least[stateGauge], states)
	}
	return least
}

// second returns the device's peers at a second, from those of the reading before.
func (s silent) second(before []mesh.PeerStatus, second int) []mesh.PeerStatus {
	after := slices.Clone(before)
	for i := range after {
		if s.initiates(i, second) {
			after[i].Sent += 148
		}
		// The peer's own rounds meet this node at another time.
		if s.heard && s.initiates(i, second+15) {
			after[i].Received += 148
			after[i].Sent += 92
		}
	}
	return after
}

// initiates reports whether an initiation goes from the one that asks to the other in this second.
func (s silent) initiates(peer, second int) bool {
	rounds := (s.peers + 7) / 8
	asked := peer / 8 * 30
	since := second - asked
	if since < 0 {
		return false
	}
	since %= rounds * 30
	return since < 90
}

// unansweredQueries returns what asks how many peers do not answer, by its name.
func unansweredQueries(t *testing.T) map[string]string {
	t.Helper()
	queries := map[string]string{}
	for _, a := range alerts(t) {
		if a.Alert == "WarrenPeersUnanswered" || a.Alert == "WarrenMostPeersUnanswered" {
			queries[a.Alert] = a.Expr
		}
	}
	for _, p := range grafana(t).Panels {
		if p.Title == "Peers that do not answer" {
			queries[p.Title] = p.Targets[0].Expr
		}
	}
	if len(queries) != 3 {
		t.Fatalf("%d queries, want two alerts' and a panel's: %v", len(queries), queries)
	}
	return queries
}

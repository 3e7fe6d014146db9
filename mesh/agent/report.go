package agent

import (
	"encoding/json"
	"math"
	"net/http"
	"sync"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// readings holds what was last read of the device's peers.
type readings struct {
	mu   sync.Mutex
	last status.Reading
}

// add takes a reading of the device now, and which peers have answered so far.
func (r *readings) add(wanted []mesh.Peer, statuses []mesh.PeerStatus, answers mesh.Answers) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.last = status.Reading{
		At: now, Wanted: wanted, Statuses: statuses, Traffic: r.last.Traffic.Next(statuses, now), Answers: answers,
	}
}

// outdated is how long a reading counts. The device is read every five seconds at least, so an older one says that it
// does not answer, or that a pass changes the host for longer than this.
const outdated = time.Minute

// latest returns the last reading, or the zero value before the first and where the last is outdated: nobody knows how
// the peers fare then, and sessions that were good once may be over.
func (r *readings) latest() status.Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.last.At) > outdated {
		return status.Reading{}
	}
	return r.last
}

// Unanswered returns the names of all unanswered peers' nodes, sorted; none while the device is not read.
func (a *Agent) Unanswered() []string { return a.readings.latest().Unanswered(math.MaxInt) }

// Report returns what the daemon knows of its node. It asks neither the device nor the API server, so it answers while
// they do not.
func (a *Agent) Report() status.Report {
	snapshot, reading := a.status.Snapshot(), a.readings.latest()
	peers := reading.Peers()
	if a.cfg.Probes != nil {
		probed := a.cfg.Probes().Peers
		for i := range peers {
			if m, known := probed[peers[i].Node]; known {
				peers[i].Probe = &m
			}
		}
	}
	packets := a.counters.leaks.recent()
	return status.Report{
		APIVersion: status.APIVersion, Kind: status.ReportKind, Source: status.SourceDaemon, ObservedAt: reading.At,
		Status: &snapshot, MTU: a.link.mtu(), Peers: peers, GuardPackets: packets,
		GuardGrowth: a.counters.drops.growth(time.Now(), packets),
	}
}

// State returns the handler of /v1/state, which gives the Report as JSON.
func (a *Agent) State() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a.Report())
	})
	return mux
}

package agent

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

const (
	// maxSeries bounds a scrape, without what is known of every process in Go.
	maxSeries = 120
	// manyNodes is the largest mesh that warren is made for.
	manyNodes = 5000
)

// silentMesh is a reading of so many peers, all of which were sent something and answered nothing.
func silentMesh(r *readings) {
	wanted, statuses := make([]mesh.Peer, manyNodes), make([]mesh.PeerStatus, manyNodes)
	for i := range wanted {
		var key keys.Public
		binary.BigEndian.PutUint32(key[:], uint32(i))
		wanted[i] = mesh.Peer{PublicKey: key, Node: fmt.Sprintf("node-%04d", i)}
		statuses[i] = mesh.PeerStatus{PublicKey: key}
	}
	r.add(wanted, statuses, mesh.Answers{})
	after := make([]mesh.PeerStatus, manyNodes)
	for i, s := range statuses {
		after[i] = mesh.PeerStatus{PublicKey: s.PublicKey, Sent: 148}
	}
	r.add(wanted, after, mesh.Answers{})
}

// malformedMesh is what is said of so many Nodes of which no part can be used.
func malformedMesh() (problems []mesh.Problem) {
	for i := range manyNodes {
		for _, f := range []mesh.Field{
			mesh.FieldPublicKey, mesh.FieldProof, mesh.FieldEndpoint, mesh.FieldPodCIDRs, mesh.FieldNodeIPs,
			mesh.FieldForceEndpoint, mesh.FieldKeepalive,
		} {
			name := fmt.Sprintf("node-%04d", i)
			problems = append(problems, mesh.Problem{Node: name, Field: f, Reason: "no good: " + name})
		}
	}
	return problems
}

// probedMesh is what probes of so many peers have found out, of each another path MTU.
func probedMesh() map[string]status.Measurement {
	all := map[string]status.Measurement{}
	for i := range manyNodes {
		all[fmt.Sprintf("node-%04d", i)] = status.Measurement{Sent: 1, PathMTU: 1001 + i}
	}
	return all
}

// Every daemon reports every other node, so what grows with the nodes grows with their square in Prometheus.
func TestSeriesDoNotGrowWithTheMesh(t *testing.T) {
	board := status.NewBoard(status.Snapshot{}, func(status.Snapshot, status.Snapshot) {})
	var r readings
	probed := func() status.Probes { return status.Probes{Peers: probedMesh()} }
	handler := newMetrics(statusMetrics{board, &r}, enforcementMetrics{board}, probeMetrics{probed})
	silentMesh(&r)
	wantSeries(t, handler, "warren_path_mtu_min_bytes 1001",
		`warren_peers{state="unanswered"} 5000`, `warren_peer_unanswered_info{peer="node-0007"} 1`)
	board.Update(func(s status.Snapshot) status.Snapshot { return s.WithProblems(malformedMesh(), time.Now()) })
	wantSeries(t, handler, `warren_node_problems{field="pod-cidrs"} 5000`)
}

// wantSeries wants these samples in a scrape, which is bounded.
func wantSeries(t *testing.T, handler http.Handler, samples ...string) {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body := w.Body.String()
	for _, sample := range samples {
		if !strings.Contains(body, sample+"\n") {
			t.Errorf("no %s", sample)
		}
	}
	n := 0
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "go_") && !strings.HasPrefix(line, "process_") {
			n++
		}
	}
	if t.Logf("%d series", n); n > maxSeries {
		t.Errorf("%d series, want at most %d", n, maxSeries)
	}
}

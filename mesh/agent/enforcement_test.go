package agent_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/status"
)

// A node whose policies are not in force gets no CNI configuration, and is not said to have a network.
func TestConfigurationWaitsForPolicies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var api meshtest.API
		api.Create(object(1))
		m := newMachine(&api, 1)
		var inForce atomic.Bool
		m.inForce = inForce.Load
		written := func() int {
			m.attachments.mu.Lock()
			defer m.attachments.mu.Unlock()
			return m.attachments.written
		}
		m.start()
		defer m.end()
		settle()
		if got := written(); got != 0 {
			t.Errorf("%d configurations before the policies are in force", got)
		}
		const reason = "cni configuration: waiting for the network policies to be in force"
		if code, body := m.get("/readyz"); code != 503 || !strings.Contains(body, reason) {
			t.Errorf("/readyz: %d %s", code, body)
		}
		if self, _ := m.cluster.Self(); self.NetworkAvailable || self.NetworkUnavailable {
			t.Error("the Node says something of its network already")
		}
		inForce.Store(true)
		m.agent.Poke()
		settle()
		if got := written(); got != 1 {
			t.Errorf("%d configurations after the policies are in force", got)
		}
		inForce.Store(false) // What was in force once stays so while the daemon cannot say more.
		m.agent.Poke()
		settle()
		if self, _ := m.cluster.Self(); !self.NetworkAvailable {
			t.Error("the network is not available")
		}
	})
}

func TestPolicyMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int32
		a := agent.New(agent.Config{
			Node: "node-a", Mesh: mesh.Defaults(), Host: newHost(mesh.Defaults(), nil),
			InForce: func() bool { return true },
			PolicyCounters: func(context.Context) (map[string]uint64, error) {
				reads.Add(1)
				return map[string]uint64{
					"denied-egress": 1, "denied-ingress": 2, "unknown": 3, "stray": 4, "spoofed": 5, "beside": 6,
					"x": 7,
				}, nil
			},
		})
		a.Status().Update(func(s status.Snapshot) status.Snapshot {
			s.Enforcement.Policies, s.Enforcement.Isolated, s.Enforcement.Edits = 8, 9, 10
			s.Enforcement.Synced = time.Unix(11, 0)
			return s
		})
		scrape := func() string {
			answer := httptest.NewRecorder()
			a.Metrics().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			return answer.Body.String()
		}
		scrape()
		body := scrape()
		for _, line := range []string{
			`warren_policy_refused_packets_total{direction="egress"} 1`,
			`warren_policy_refused_packets_total{direction="ingress"} 2`,
			`warren_policy_unknown_packets_total 3`,
			`warren_policy_stray_packets_total 4`,
			`warren_port_dropped_packets_total{counter="spoofed"} 5`,
			`warren_port_dropped_packets_total{counter="beside"} 6`,
			`warren_network_policies 8`,
			`warren_policy_isolated_pods 9`,
			`warren_policy_edits_total 10`,
			`warren_policy_last_sync_timestamp_seconds 11`,
		} {
			if !strings.Contains(body, line+"\n") {
				t.Errorf("no metric %s", line)
			}
		}
		if got := reads.Load(); got != 1 {
			t.Errorf("two scrapes read the counters %d times", got)
		}
	})
}

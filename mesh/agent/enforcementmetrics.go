package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"warren.mesh/mesh/status"
)

// enforcementMetrics reads how network policies are kept when the metrics are read. There are none without.
type enforcementMetrics struct{ board *status.Board }

var (
	networkPoliciesDesc = desc("warren_network_policies", "NetworkPolicies of the cluster.")
	policyProblemsDesc  = desc("warren_policy_problems", "What cannot be kept of NetworkPolicies. The log says more.")
	isolatedPodsDesc    = desc("warren_policy_isolated_pods", "Pods of this node that a NetworkPolicy isolates.")
	attachedPodsDesc    = desc("warren_policy_attached_pods", "Pods of this node whose ports and addresses are known.")
	waitingPodsDesc     = desc("warren_policy_waiting_pods", "Those held closed, for lack of labels or policies.")
	policyEditsDesc     = desc("warren_policy_edits_total",
		"Changes written to the tables of NetworkPolicies. A restart that changes nothing writes none.")
	policySyncDesc = desc("warren_policy_last_sync_timestamp_seconds",
		"When the tables of NetworkPolicies were last as they should be; 0 before the first time.")
)

// Describe implements prometheus.Collector.
func (enforcementMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		networkPoliciesDesc, policyProblemsDesc, isolatedPodsDesc, attachedPodsDesc, waitingPodsDesc, policyEditsDesc,
		policySyncDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m enforcementMetrics) Collect(ch chan<- prometheus.Metric) {
	e := m.board.Snapshot().Enforcement
	if !e.On {
		return
	}
	gauge := func(desc *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	gauge(networkPoliciesDesc, float64(e.Policies))
	gauge(policyProblemsDesc, float64(e.ProblemCount))
	gauge(isolatedPodsDesc, float64(e.Isolated))
	gauge(attachedPodsDesc, float64(e.Attached))
	gauge(waitingPodsDesc, float64(e.Waiting))
	gauge(policySyncDesc, timestamp(e.Synced))
	ch <- prometheus.MustNewConstMetric(policyEditsDesc, prometheus.CounterValue, float64(e.Edits))
}

// timestamp returns seconds since 1970, zero for no time.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}

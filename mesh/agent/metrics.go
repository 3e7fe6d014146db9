package agent

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// maxScrapes is how many scrapes are answered at once; the answer to more is 503. Anybody may ask, and each takes
// memory while it waits.
const maxScrapes = 16

// newMetrics returns the handler of /metrics, which gives what these collect when somebody asks, and what is known of
// the process.
func newMetrics(own ...prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(own...)
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	return mux
}

// statusMetrics reads the snapshot, and what was last read of the peers, when the metrics are read.
type statusMetrics struct {
	board    *status.Board
	readings *readings
}

var (
	infoDesc = desc("warren_info", "1, with the version, the WireGuard implementation and why it is that one.",
		"version", "backend", "reason")
	peersDesiredDesc    = desc("warren_peers_desired", "Peers that this node should have.")
	peersProgrammedDesc = desc("warren_peers_programmed", "Peers that the WireGuard device has.")
	peersHeldDesc       = desc("warren_peers_held",
		"Peers that are gone from the cluster and kept for a while, because so many went at once.")
	peersUnansweredDesc = desc("warren_peers_unanswered",
		"Peers that have not answered what was sent to them for 16 seconds or longer.")
	peersDesc = desc("warren_peers",
		"Peers by state: connected has a session; unanswered has none although bytes went to it within 180 seconds; "+
			"idle has neither; missing is desired and not on the device.", "state")
	unansweredDesc = desc("warren_peer_unanswered_info",
		"1 for a peer that either gauge of unanswered peers counts, by its node's name; the first eight.", "peer")
	turnsDesc        = desc("warren_endpoints_set_total", "Endpoints set because a peer did not answer at the last.")
	passesDesc       = desc("warren_reconcile_total", "Passes of the reconcile loop by outcome.", "outcome")
	lastOutcomeDesc  = desc("warren_reconcile_last_outcome", "1 for the outcome of the last pass.", "outcome")
	lastTimeDesc     = desc("warren_reconcile_last_timestamp_seconds", "When the last pass ended.")
	lastDurationDesc = desc("warren_reconcile_last_duration_seconds", "How long the last pass took.")
	waitingDesc      = desc("warren_waiting", "1 for each step that waits for others. /readyz says what for.", "step")
	failingDesc      = desc("warren_failing", "1 for each step that fails and is retried.", "step")
	warningDesc      = desc("warren_warning", "1 for each step of which an operator should know something.", "step")
	nodeProblemsDesc = desc("warren_node_problems",
		"How much is wrong with nodes, by part of their announcements. The log says what, with which node.", "field")
	cniEffectiveDesc = desc("warren_cni_effective",
		"1 where the container runtime attaches pods by warren's CNI configuration, so far as its files tell.")
	strayPodsDesc       = desc("warren_stray_pods", "Pods of this node with addresses outside its pod CIDRs.")
	policiesMissingDesc = desc("warren_admission_policies_missing",
		"1 where an admission policy on what this node writes was not in force at the start.")
	keyReplacementsDesc = desc("warren_key_replacements_total",
		"Private keys replaced because an elder node has them too.")
	watchRestartsDesc = desc("warren_watch_restarts_total", "Interruptions of the watch over the host.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (statusMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		infoDesc, peersDesiredDesc, peersProgrammedDesc, peersHeldDesc, peersUnansweredDesc,
		peersDesc, unansweredDesc, turnsDesc, warningDesc, passesDesc,
		lastOutcomeDesc, lastTimeDesc, lastDurationDesc,
		waitingDesc, failingDesc, nodeProblemsDesc, strayPodsDesc, cniEffectiveDesc, policiesMissingDesc,
		watchRestartsDesc, keyReplacementsDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m statusMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.board.Snapshot()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	counter := func(desc *prometheus.Desc, value uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
	}
	gauge(infoDesc, 1, s.Daemon.Version, s.Daemon.Backend, s.Daemon.BackendReason)
	gauge(peersDesiredDesc, float64(s.Peers.Desired))
	gauge(peersProgrammedDesc, float64(s.Peers.Programmed))
	gauge(peersHeldDesc, float64(s.Peers.Held))
	collectPeers(gauge, m.readings.latest(), s.Peers.Unanswered)
	counter(turnsDesc, s.Peers.Turns)
	gauge(cniEffectiveDesc, one(s.Pods.Effective))
	gauge(strayPodsDesc, float64(len(s.Pods.Strays)))
	gauge(policiesMissingDesc, one(s.Policies == status.PoliciesMissing))
	counter(watchRestartsDesc, s.Watch.Restarts)
	counter(keyReplacementsDesc, s.KeyReplacements)
	for outcome, n := range s.Pass.Count {
		counter(passesDesc, n, string(outcome))
	}
	collectPass(gauge, s.Pass)
	collectBlocked(gauge, s)
}

// gaugeFunc makes a gauge.
type gaugeFunc = func(desc *prometheus.Desc, value float64, labels ...string)

// maxUnanswered bounds how many unanswered peers have a series.
const maxUnanswered = 8

// collectPeers makes the gauges of the peers' states. There are none while nobody knows them.
func collectPeers(gauge gaugeFunc, reading status.Reading, unanswered int) {
	if reading.At.IsZero() {
		return
	}
	gauge(peersUnansweredDesc, float64(unanswered))
	for state, n := range reading.Count() {
		gauge(peersDesc, float64(n), string(state))
	}
	for _, name := range reading.Unanswered(maxUnanswered) {
		gauge(unansweredDesc, 1, name)
	}
}

// collectPass makes the gauges of the last pass. There is no outcome before the first.
func collectPass(gauge gaugeFunc, pass status.Pass) {
	gauge(lastDurationDesc, pass.Took.Seconds())
	gauge(lastTimeDesc, timestamp(pass.Ended))
	if pass.Ended.IsZero() {
		return
	}
	for _, outcome := range status.Outcomes {
		gauge(lastOutcomeDesc, one(outcome == pass.Outcome), string(outcome))
	}
}

// collectBlocked makes the gauges of what waits, fails or is wrong.
func collectBlocked(gauge gaugeFunc, s status.Snapshot) {
	for _, c := range s.AllConditions() {
		switch c.State {
		case status.Waiting:
			gauge(waitingDesc, 1, string(c.Step))
		case status.Warning:
			gauge(warningDesc, 1, string(c.Step))
		default:
			gauge(failingDesc, 1, string(c.Step))
		}
	}
	problems := map[mesh.Field]int{}
	for _, p := range s.Problems {
		problems[p.Field]++
	}
	for field, n := range problems {
		gauge(nodeProblemsDesc, float64(n), string(field))
	}
}

// one is 1 for true and 0 for false.
func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

package agent

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"warren.mesh/mesh"
)

// metrics are what /metrics serves, from a registry of their own.
type metrics struct {
	registry *prometheus.Registry

	peersDesired, peersProgrammed prometheus.Gauge
	passes                        *prometheus.CounterVec
	lastOutcome                   *prometheus.GaugeVec
	lastTime, lastDuration        prometheus.Gauge
	waiting, failing              *prometheus.GaugeVec
	nodeProblems                  *prometheus.GaugeVec
	strays, unguarded             prometheus.Gauge
	watchRestarts                 prometheus.Counter
}

func newMetrics(cfg Config) *metrics {
	m := &metrics{
		registry:        prometheus.NewRegistry(),
		peersDesired:    gauge("warren_peers_desired", "Peers that this node should have."),
		peersProgrammed: gauge("warren_peers_programmed", "Peers that the WireGuard device has."),
		passes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "warren_reconcile_total",
			Help: "Passes of the reconcile loop by outcome."}, []string{"outcome"}),
		lastOutcome:   gauges("warren_reconcile_last_outcome", "1 for the outcome of the last pass.", "outcome"),
		lastTime:      gauge("warren_reconcile_last_timestamp_seconds", "When the last pass ended."),
		lastDuration:  gauge("warren_reconcile_last_duration_seconds", "How long the last pass took."),
		waiting:       gauges("warren_waiting", "1 for each step that waits for others, and what for.", "step", "reason"),
		failing:       gauges("warren_failing", "1 for each step that fails and is retried.", "step"),
		nodeProblems:  gauges("warren_node_problems", "What is wrong with a node, by part of its announcement.", "node", "field"),
		strays:        gauge("warren_stray_pods", "Pods of this node with addresses outside its pod CIDRs."),
		unguarded:     gauge("warren_admission_policies_missing", "1 where no admission policy checked this node's annotations at the start."),
		watchRestarts: prometheus.NewCounter(prometheus.CounterOpts{Name: "warren_watch_restarts_total", Help: "Interruptions of the watch over the host."}),
	}
	info := gauges("warren_info", "1, with the version, the WireGuard implementation and why it is that one.", "version", "backend", "reason")
	info.WithLabelValues(cfg.Version, cfg.Backend, cfg.BackendReason).Set(1)
	m.registry.MustRegister(info, m.peersDesired, m.peersProgrammed, m.passes, m.lastOutcome, m.lastTime, m.lastDuration,
		m.waiting, m.failing, m.nodeProblems, m.strays, m.unguarded, m.watchRestarts, hostCounters{cfg.Host},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

// pass notes the end of a pass.
func (m *metrics) pass(result outcome, end time.Time, took time.Duration) {
	m.passes.WithLabelValues(string(result)).Inc()
	for _, o := range []outcome{succeeded, waited, failed} {
		m.lastOutcome.WithLabelValues(string(o)).Set(0)
	}
	m.lastOutcome.WithLabelValues(string(result)).Set(1)
	m.lastTime.Set(float64(end.UnixNano()) / 1e9)
	m.lastDuration.Set(took.Seconds())
}

// peers notes how many peers there should be and are.
func (m *metrics) peers(want, have mesh.State) {
	m.peersDesired.Set(float64(len(want.Peers)))
	m.peersProgrammed.Set(float64(len(have.Peers)))
}

// blocked notes the steps that wait or fail.
func (m *metrics) blocked(steps map[step]blockage) {
	m.waiting.Reset()
	m.failing.Reset()
	for s, b := range steps {
		if b.waiting {
			m.waiting.WithLabelValues(string(s), b.text).Set(1)
		} else {
			m.failing.WithLabelValues(string(s)).Set(1)
		}
	}
}

// problems notes what is wrong with nodes.
func (m *metrics) problems(list []mesh.Problem) {
	m.nodeProblems.Reset()
	for _, p := range list {
		m.nodeProblems.WithLabelValues(p.Node, string(p.Field)).Inc()
	}
}

// hostCounters asks the host for its counters when the metrics are read.
type hostCounters struct{ host Host }

// scrapeTimeout bounds the reading of the firewall's counters.
const scrapeTimeout = 5 * time.Second

var (
	leaksDesc = prometheus.NewDesc("warren_firewall_packets_total",
		"Packets that the guard counted: all but those named masqueraded-into-mesh were dropped.", []string{"counter"}, nil)
	operationsDesc = prometheus.NewDesc("warren_host_operations_total",
		"Writes to the host's network by kind. A restart that changes nothing makes none.", []string{"kind"}, nil)
)

// Describe implements prometheus.Collector.
func (hostCounters) Describe(ch chan<- *prometheus.Desc) {
	ch <- leaksDesc
	ch <- operationsDesc
}

// Collect implements prometheus.Collector. Counters that cannot be read are absent, and the others there.
func (h hostCounters) Collect(ch chan<- prometheus.Metric) {
	for kind, n := range h.host.Operations() {
		ch <- prometheus.MustNewConstMetric(operationsDesc, prometheus.CounterValue, float64(n), kind)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	leaks, err := h.host.Leaks(ctx)
	if err != nil {
		return
	}
	for name, n := range leaks {
		ch <- prometheus.MustNewConstMetric(leaksDesc, prometheus.CounterValue, float64(n), name)
	}
}

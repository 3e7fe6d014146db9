package agent

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// hostCounters asks the host for its counters when the metrics are read.
type hostCounters struct{ host Host }

// scrapeTimeout bounds the reading of the firewall's counters.
const scrapeTimeout = 5 * time.Second

var (
	leaksDesc = desc("warren_firewall_packets_total",
		"Packets that the guard counted: all but those named masqueraded-into-mesh were dropped.", "counter")
	operationsDesc = desc("warren_host_operations_total",
		"Writes to the host's network by kind. A restart that changes nothing makes none.", "kind")
)

// Describe implements prometheus.Collector.
func (hostCounters) Describe(ch chan<- *prometheus.Desc) {
	ch <- leaksDesc
	ch <- operationsDesc
}

// Collect implements prometheus.Collector. It leaves out counters that cannot be read and gives the others.
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

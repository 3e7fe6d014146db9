package agent

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// hostCounters asks the host for its counters when the metrics are read. Make one with newHostCounters.
type hostCounters struct {
	host Host
	// turn holds a token: whoever takes it reads the guard's counters or finds that somebody just has.
	turn chan struct{}
	// leaks were read last, at that time. They are nil if they could not be read.
	leaks map[string]uint64
	read  time.Time
}

const (
	// scrapeTimeout bounds the reading of the guard's counters.
	scrapeTimeout = 5 * time.Second
	// leaksAge is how old the guard's counters may be. Reading them starts a process (nft), and whoever reaches the
	// port may read the metrics at any rate.
	leaksAge = 5 * time.Second
)

var (
	leaksDesc = desc("warren_firewall_packets_total",
		"Packets that the guard counted: all but those named masqueraded-into-mesh were dropped.", "counter")
	operationsDesc = desc("warren_host_operations_total",
		"Writes to the host's network by kind. A restart that changes nothing makes none.", "kind")
)

func newHostCounters(host Host) *hostCounters {
	h := &hostCounters{host: host, turn: make(chan struct{}, 1)}
	h.turn <- struct{}{}
	return h
}

// Describe implements prometheus.Collector.
func (*hostCounters) Describe(ch chan<- *prometheus.Desc) {
	ch <- leaksDesc
	ch <- operationsDesc
}

// Collect implements prometheus.Collector. It leaves out counters that cannot be read and gives the others.
func (h *hostCounters) Collect(ch chan<- prometheus.Metric) {
	for kind, n := range h.host.Operations() {
		ch <- prometheus.MustNewConstMetric(operationsDesc, prometheus.CounterValue, float64(n), kind)
	}
	for name, n := range h.recentLeaks() {
		ch <- prometheus.MustNewConstMetric(leaksDesc, prometheus.CounterValue, float64(n), name)
	}
}

// recentLeaks returns the guard's counters, nil if they cannot be read. Of all who ask at once, one reads them and the
// others wait for it. A failure is remembered as long as an answer.
func (h *hostCounters) recentLeaks() map[string]uint64 {
	<-h.turn
	defer func() { h.turn <- struct{}{} }()
	if !h.read.IsZero() && time.Since(h.read) < leaksAge {
		return h.leaks
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	leaks, err := h.host.Leaks(ctx)
	if err != nil {
		leaks = nil
	}
	h.leaks, h.read = leaks, time.Now()
	return leaks
}

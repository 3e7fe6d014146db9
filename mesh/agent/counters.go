package agent

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// hostCounters asks the host for its counters when the metrics are read. Make one with newHostCounters.
type hostCounters struct {
	host     Host
	leaks    *cached[map[string]uint64]
	policies *cached[map[string]uint64]
	// drops are readings of leaks.
	drops drops
}

var (
	leaksDesc = desc("warren_firewall_packets_total",
		"Packets that the guard counted: all but those named masqueraded-into-mesh were dropped.", "counter")
	operationsDesc = desc("warren_host_operations_total",
		"Writes to the host's network by kind. A restart that changes nothing makes none.", "kind")
	refusedDesc = desc("warren_policy_refused_packets_total",
		"Packets of connections that network policies refuse to pods of this node: to their clients (egress) or to "+
			"their servers (ingress). nft list set inet warren-policy refused4 says whose.", "direction")
	unknownDesc = desc("warren_policy_unknown_packets_total",
		"Packets from or to addresses of this node's pods that no known pod has, and what pods send to their node "+
			"from IPv6 link-local addresses.")
	strayDesc = desc("warren_policy_stray_packets_total",
		"Packets of isolated pods that belong to no connection.")
	portsDesc = desc("warren_port_dropped_packets_total",
		"Packets that a pod sent in another's name (spoofed), or from pod to pod past IP (beside).", "counter")
)

// policyCounters are the metrics of counters of the tables of network policies, with the label's value.
var policyCounters = map[string]struct {
	desc   *prometheus.Desc
	labels []string
}{
	"denied-egress":  {refusedDesc, []string{"egress"}},
	"denied-ingress": {refusedDesc, []string{"ingress"}},
	"unknown":        {unknownDesc, nil},
	"stray":          {strayDesc, nil},
	"spoofed":        {portsDesc, []string{"spoofed"}},
	"beside":         {portsDesc, []string{"beside"}},
}

// newHostCounters returns counters of the host and, if policies is not nil, those of the tables of network policies.
func newHostCounters(
	host Host, policies func(ctx context.Context) (map[string]uint64, error),
) *hostCounters {
	h := &hostCounters{host: host}
	h.leaks = newCached(func(ctx context.Context) (map[string]uint64, error) {
		packets, err := host.Leaks(ctx)
		if err == nil {
			h.drops.add(time.Now(), packets)
		}
		return packets, err
	})
	if policies != nil {
		h.policies = newCached(policies)
	}
	return h
}

// Describe implements prometheus.Collector.
func (*hostCounters) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{leaksDesc, operationsDesc, refusedDesc, unknownDesc, strayDesc, portsDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. It leaves out counters that cannot be read and gives the others.
func (h *hostCounters) Collect(ch chan<- prometheus.Metric) {
	counter := func(desc *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
	}
	for kind, n := range h.host.Operations() {
		counter(operationsDesc, n, kind)
	}
	for name, n := range h.leaks.recent() {
		counter(leaksDesc, n, name)
	}
	if h.policies == nil {
		return
	}
	for name, n := range h.policies.recent() {
		if c, ok := policyCounters[name]; ok {
			counter(c.desc, n, c.labels...)
		}
	}
}

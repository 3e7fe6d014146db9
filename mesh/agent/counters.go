package agent

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// hostCounters asks the host for its counters when the metrics are read. Make one with newHostCounters.
type hostCounters struct {
	host     Host
	leaks    *cachedCounters
	policies *cachedCounters
}

// cachedCounters are counters whose reading starts a process (nft). Make one with newCachedCounters.
type cachedCounters struct {
	read func(ctx context.Context) (map[string]uint64, error)
	// turn holds a token: whoever takes it reads the counters or finds that somebody just has.
	turn chan struct{}
	// last was read at that time. It is nil if it could not be read.
	last map[string]uint64
	at   time.Time
}

const (
	// scrapeTimeout bounds the reading of counters.
	scrapeTimeout = 5 * time.Second
	// countersAge is how old counters may be: whoever reaches the port may read the metrics at any rate.
	countersAge = 5 * time.Second
)

var (
	leaksDesc = desc("warren_firewall_packets_total",
		"Packets that the guard counted: all but those named masqueraded-into-mesh were dropped.", "counter")
	operationsDesc = desc("warren_host_operations_total",
		"Writes to the host's network by kind. A restart that changes nothing makes none.", "kind")
	refusedDesc = desc("warren_policy_refused_packets_total",
		"Packets of connections that network policies refuse to pods of this node: to their clients (egress) or to "+
			"their servers (ingress). nft list set inet warren-policy refused4 says whose.", "direction")
	unknownDesc = desc("warren_policy_unknown_packets_total",
		"Packets from or to addresses of this node's pods that no known pod has.")
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
	h := &hostCounters{host: host, leaks: newCachedCounters(host.Leaks)}
	if policies != nil {
		h.policies = newCachedCounters(policies)
	}
	return h
}

func newCachedCounters(read func(ctx context.Context) (map[string]uint64, error)) *cachedCounters {
	c := &cachedCounters{read: read, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
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

// recent returns the counters, nil if they cannot be read. Of all who ask at once, one reads them and the others wait
// for it. A failure is remembered as long as an answer.
func (c *cachedCounters) recent() map[string]uint64 {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	if !c.at.IsZero() && time.Since(c.at) < countersAge {
		return c.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	counters, err := c.read(ctx)
	if err != nil {
		counters = nil
	}
	c.last, c.at = counters, time.Now()
	return counters
}

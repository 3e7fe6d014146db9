package agent

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

var eventsDesc = desc("warren_events_total",
	"Events about this node that the API server took (told), and requests for them that failed.", "result")

// eventCounts counts what was told.
type eventCounts struct {
	mu           sync.Mutex
	told, failed uint64
}

func (c *eventCounts) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.told++
	} else {
		c.failed++
	}
}

// Describe implements prometheus.Collector.
func (*eventCounts) Describe(ch chan<- *prometheus.Desc) { ch <- eventsDesc }

// Collect implements prometheus.Collector.
func (c *eventCounts) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for result, n := range map[string]uint64{"told": c.told, "failed": c.failed} {
		ch <- prometheus.MustNewConstMetric(eventsDesc, prometheus.CounterValue, float64(n), result)
	}
}

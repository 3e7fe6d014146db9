package agent

import (
	"regexp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// metricName is how a prometheus.Desc begins.
var metricName = regexp.MustCompile(`fqName: "([a-z_]+)"`)

// MetricNames returns the names of all metrics of warren's own, sorted.
func MetricNames() (names []string) {
	descs := make(chan *prometheus.Desc)
	go func() {
		for _, c := range []prometheus.Collector{
			statusMetrics{}, enforcementMetrics{}, &hostCounters{}, linkMetrics{}, &eventCounts{}, probeMetrics{},
		} {
			c.Describe(descs)
		}
		close(descs)
	}()
	for d := range descs {
		names = append(names, metricName.FindStringSubmatch(d.String())[1])
	}
	slices.Sort(names)
	return names
}

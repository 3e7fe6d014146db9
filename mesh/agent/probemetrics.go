package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"warren.mesh/mesh/status"
)

// probeMetrics tells what probes have found out when the metrics are read; read is nil where there are none.
type probeMetrics struct{ read func() status.Probes }

var (
	probeRTTDesc = desc("warren_probe_rtt_seconds", "Round trips of probes to peers' daemons, through the mesh.")
	probesDesc   = desc("warren_probes_total", "Small probes of peers by result, answered or lost.", "result")
	pathMTUDesc  = desc("warren_path_mtu_min_bytes",
		"Least path MTU that was measured to a peer. `warren peers` says to which.")
)

// Describe implements prometheus.Collector.
func (probeMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{probeRTTDesc, probesDesc, pathMTUDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m probeMetrics) Collect(ch chan<- prometheus.Metric) {
	if m.read == nil {
		return
	}
	p := m.read()
	buckets := map[float64]uint64{}
	for i, bound := range status.RTTBounds {
		buckets[bound] = p.RTTs[i]
	}
	ch <- prometheus.MustNewConstHistogram(probeRTTDesc, p.Answered, p.RTTSum.Seconds(), buckets)
	ch <- prometheus.MustNewConstMetric(probesDesc, prometheus.CounterValue, float64(p.Answered), "answered")
	ch <- prometheus.MustNewConstMetric(probesDesc, prometheus.CounterValue, float64(p.Lost), "lost")
	if mtu, _ := p.LeastPathMTU(); mtu > 0 {
		ch <- prometheus.MustNewConstMetric(pathMTUDesc, prometheus.GaugeValue, float64(mtu))
	}
}

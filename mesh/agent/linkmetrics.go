package agent

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Link is what the kernel says of the mesh's interface.
type Link struct {
	// MTU is in bytes.
	MTU int
	// Received and Sent count bytes since the interface was made. A kernel's device counts WireGuard's data messages,
	// and a userspace device the packets inside of them.
	Received, Sent uint64
}

// linkMetrics reads the interface and the age of the private key when the metrics are read. Each may be nil. It leaves
// out what cannot be read.
type linkMetrics struct {
	link *cached[Link]
	key  *cached[time.Time]
}

var (
	receivedDesc = desc("warren_device_receive_bytes_total", "Bytes that the mesh's interface has received.")
	sentDesc     = desc("warren_device_transmit_bytes_total", "Bytes that the mesh's interface has sent.")
	mtuDesc      = desc("warren_mtu_bytes", "MTU of the mesh's interface.")
	keyDesc      = desc("warren_key_created_timestamp_seconds", "When the file of the private key was written.")
)

func newLinkMetrics(cfg Config) (m linkMetrics) {
	if cfg.Link != nil {
		m.link = newCached(func(context.Context) (Link, error) { return cfg.Link() })
	}
	if cfg.KeyWritten != nil {
		m.key = newCached(func(context.Context) (time.Time, error) { return cfg.KeyWritten() })
	}
	return m
}

// mtu is that of the mesh's interface; zero if it could not be read.
func (m linkMetrics) mtu() int {
	if m.link == nil {
		return 0
	}
	return m.link.recent().MTU
}

// Describe implements prometheus.Collector.
func (linkMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{receivedDesc, sentDesc, mtuDesc, keyDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m linkMetrics) Collect(ch chan<- prometheus.Metric) {
	if m.link != nil {
		if l := m.link.recent(); l.MTU > 0 {
			ch <- prometheus.MustNewConstMetric(mtuDesc, prometheus.GaugeValue, float64(l.MTU))
			ch <- prometheus.MustNewConstMetric(receivedDesc, prometheus.CounterValue, float64(l.Received))
			ch <- prometheus.MustNewConstMetric(sentDesc, prometheus.CounterValue, float64(l.Sent))
		}
	}
	if m.key != nil {
		if written := m.key.recent(); !written.IsZero() {
			ch <- prometheus.MustNewConstMetric(keyDesc, prometheus.GaugeValue, timestamp(written))
		}
	}
}

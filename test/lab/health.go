package lab

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/tb"
)

// healthURL and metricsURL are where the daemon serves health and metrics.
const (
	healthURL  = "http://127.0.0.1:18788"
	metricsURL = "http://127.0.0.1:18787/metrics"
)

// readyTimeout bounds a node's way to readiness, on a machine that is busy with other things.
const readyTimeout = time.Minute

// WaitMeshed waits until every node has programmed every other, by their metrics.
func (l *Lab) WaitMeshed(t TB) {
	t.Helper()
	nodes := l.Nodes()
	for _, n := range nodes {
		Wait(t, readyTimeout, n.Name+" to program its peers", func() error {
			metrics, err := n.metrics()
			if err != nil {
				return err
			}
			if got, want := int(metrics["warren_peers_programmed"]), len(nodes)-1; got != want {
				return fmt.Errorf("%d peers, want %d", got, want)
			}
			return nil
		})
	}
}

// Ready asks the daemon's /readyz: nil, or what it says it waits for.
func (n *Node) Ready() error {
	_, err := n.Fetch(healthURL + "/readyz")
	return err
}

// Healthy asks the daemon's /healthz: nil while its worker is alive, whatever it waits for.
func (n *Node) Healthy() error {
	_, err := n.Fetch(healthURL + "/healthz")
	return err
}

// WaitReady waits until Ready, and fails with the reason and the end of the log after a minute, or when the daemon
// ends.
func (n *Node) WaitReady(t TB) {
	t.Helper()
	begin, within := time.Now(), tb.Bound(readyTimeout)
	for {
		err := n.Ready()
		if err == nil {
			return
		}
		if ended := n.daemon.Running(); ended != nil {
			t.Fatalf("%s: not ready: %v", n.Name, ended)
		}
		if time.Since(begin) > within {
			t.Fatalf("%s: not ready after %v: %v; the daemon's log ends with:\n%s", n.Name, within, err,
				host.Tail(n.daemonLog(), 15))
		}
		time.Sleep(tb.PollInterval)
	}
}

// Metrics are the daemon's, by series as Prometheus writes it: `name{label="value"}`.
func (n *Node) Metrics(t TB) map[string]float64 {
	t.Helper()
	metrics, err := n.metrics()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return metrics
}

func (n *Node) metrics() (map[string]float64, error) {
	text, err := n.Fetch(metricsURL)
	if err != nil {
		return nil, err
	}
	return parseMetrics(string(text))
}

// parseMetrics reads Prometheus' text format, as its Go client writes it: without timestamps.
func parseMetrics(text string) (map[string]float64, error) {
	metrics := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return nil, fmt.Errorf("not a metric: %q", line)
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metric %q: %w", line, err)
		}
		metrics[line[:at]] = value
	}
	return metrics, nil
}

// Log is what all daemons of this node have logged so far.
func (n *Node) Log() string { return string(host.Tail(n.daemonLog(), 1<<30)) }

// DeviceLog is what all device processes of this node have logged so far.
func (n *Node) DeviceLog() string { return string(host.Tail(n.deviceLog(), 1<<30)) }

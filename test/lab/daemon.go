package lab

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// daemonURL is where the daemon serves health and metrics.
	daemonURL = "http://127.0.0.1:9586"
	// stopTimeout bounds a daemon's end after SIGTERM: the grace period of the manifests.
	stopTimeout = 10 * time.Second
	// readyTimeout bounds a node's way to readiness, on a machine that is busy with other things.
	readyTimeout = 60 * time.Second
)

// StartMesh starts device and daemon on every node, all at once, and waits until all are ready and have programmed each
// other.
func (l *Lab) StartMesh(t TB, daemonArgs ...string) {
	t.Helper()
	nodes := l.Nodes()
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() { errs[i] = errors.Join(n.startDevice(t.Context(), nil), n.startDaemon(t.Context(), daemonArgs)) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("start the mesh: %v", err)
	}
	for _, n := range nodes {
		n.WaitReady(t)
	}
	l.WaitMeshed(t)
}

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

// StartDevice starts `warren wireguard` as a process of its own. On a kernel with WireGuard it idles, as it would there.
func (n *Node) StartDevice(t TB, args ...string) {
	t.Helper()
	if err := n.startDevice(t.Context(), args); err != nil {
		t.Fatalf("%v", err)
	}
}

func (n *Node) startDevice(ctx context.Context, args []string) (err error) {
	n.device, err = n.start(ctx, "wireguard", n.deviceLog(), append([]string{"wireguard"}, args...))
	return err
}

// StartDaemon starts `warren daemon` with the node's own pod-bound token and the lab's cluster CIDRs, after `warren install-cni`
// as in the manifests; args are further flags. It does not wait for anything.
func (n *Node) StartDaemon(t TB, args ...string) {
	t.Helper()
	if err := n.startDaemon(t.Context(), args); err != nil {
		t.Fatalf("%v", err)
	}
}

func (n *Node) startDaemon(ctx context.Context, args []string) error {
	kubeconfig, err := n.credential(ctx)
	if err != nil {
		return err
	}
	warren, err := n.lab.programs.warren(ctx)
	if err != nil {
		return err
	}
	if _, err := n.output(ctx, command{path: warren, args: []string{"install-cni", "--cni-plugins=" + n.lab.programs.plugins}}); err != nil {
		return err
	}
	args = append([]string{
		"daemon", "--node-name=" + n.Name, "--kubeconfig=" + kubeconfig, "--cluster-cidrs=" + commas(n.lab.ClusterCIDRs()),
	}, args...)
	n.daemon, err = n.start(ctx, "daemon", n.daemonLog(), args)
	return err
}

func (n *Node) start(ctx context.Context, what, log string, args []string) (*process, error) {
	warren, err := n.lab.programs.warren(ctx)
	if err != nil {
		return nil, err
	}
	set, err := n.namespaces()
	if err != nil {
		return nil, err
	}
	return program{name: what + " of " + n.Name, path: warren, args: args, log: log}.run(set)
}

// StopDaemon sends SIGTERM and waits for the end, which must be a success.
func (n *Node) StopDaemon(t TB) {
	t.Helper()
	n.stop(t, n.daemon)
}

// StopDevice sends SIGTERM and waits for the end, which must be a success.
func (n *Node) StopDevice(t TB) {
	t.Helper()
	n.stop(t, n.device)
}

func (n *Node) stop(t TB, p *process) {
	t.Helper()
	if err := p.signal(syscall.SIGTERM, stopTimeout); err != nil {
		t.Fatalf("%v", err)
	}
	if p.err != nil {
		t.Fatalf("%s ended with %v after SIGTERM; its log ends with:\n%s", p.name, p.err, tail(p.log, 15))
	}
}

// KillDaemon sends SIGKILL and waits for the end.
func (n *Node) KillDaemon(t TB) {
	t.Helper()
	n.kill(t, n.daemon)
}

// KillDevice sends SIGKILL and waits for the end.
func (n *Node) KillDevice(t TB) {
	t.Helper()
	n.kill(t, n.device)
}

func (n *Node) kill(t TB, p *process) {
	t.Helper()
	if err := p.signal(syscall.SIGKILL, killTimeout); err != nil {
		t.Fatalf("%v", err)
	}
}

// WaitDaemon waits for the daemon to end by itself and returns its exit code: for what it refuses to do.
func (n *Node) WaitDaemon(t TB) (code int) {
	t.Helper()
	select {
	case <-n.daemon.ended:
		return n.daemon.cmd.ProcessState.ExitCode()
	case <-time.After(readyTimeout):
		t.Fatalf("%s has not ended in %v; its log ends with:\n%s", n.daemon.name, readyTimeout, tail(n.daemonLog(), 15))
		return 0
	}
}

// Ready asks the daemon's /readyz: nil, or what it says it waits for.
func (n *Node) Ready() error {
	_, err := n.fetch(daemonURL + "/readyz")
	return err
}

// Healthy asks the daemon's /healthz: nil while its worker is alive, whatever it waits for.
func (n *Node) Healthy() error {
	_, err := n.fetch(daemonURL + "/healthz")
	return err
}

// WaitReady waits until Ready, and fails with the reason and the end of the log after a minute, or when the daemon ends.
func (n *Node) WaitReady(t TB) {
	t.Helper()
	begin := time.Now()
	for {
		err := n.Ready()
		if err == nil {
			return
		}
		if ended := n.daemon.running(); ended != nil {
			t.Fatalf("%s: not ready: %v", n.Name, ended)
		}
		if time.Since(begin) > readyTimeout {
			t.Fatalf("%s: not ready after %v: %v; the daemon's log ends with:\n%s", n.Name, readyTimeout, err, tail(n.daemonLog(), 15))
		}
		time.Sleep(pollInterval)
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
	text, err := n.fetch(daemonURL + "/metrics")
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
func (n *Node) Log() string { return string(tail(n.daemonLog(), 1<<30)) }

// DeviceLog is what all device processes of this node have logged so far.
func (n *Node) DeviceLog() string { return string(tail(n.deviceLog(), 1<<30)) }

func (n *Node) daemonLog() string { return n.lab.logFile(n.Name + "-daemon") }
func (n *Node) deviceLog() string { return n.lab.logFile(n.Name + "-wireguard") }

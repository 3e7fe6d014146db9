package agent

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"warren.mesh/mesh/status"
)

// Health returns the handler of /healthz (is the worker alive, and can it work without a restart) and /readyz (is the
// mesh programmed, by which WireGuard, and if not, why).
func (a *Agent) Health() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		dead := a.status.Snapshot().Stuck(time.Now())
		if err := a.lost(); err != nil {
			dead = append(dead, err.Error())
		}
		answer(w, "", dead)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		_ = a.lost() // The snapshot then has it.
		s := a.status.Snapshot()
		about := fmt.Sprintf("WireGuard: %s, %s\n", s.Daemon.Backend, s.Daemon.BackendReason)
		for _, warning := range s.Warnings() {
			about += "warning: " + warning + "\n"
		}
		answer(w, about, s.Unready())
	})
	return mux
}

// lost returns what Config.Lost does, and reports it.
func (a *Agent) lost() error {
	if a.cfg.Lost == nil {
		return nil
	}
	err := a.cfg.Lost()
	a.report(stepDirectories, err)
	return err
}

// Metrics returns the handler of /metrics.
func (a *Agent) Metrics() http.Handler { return a.metrics }

// Endpoint is what the daemon serves at an address of its own.
type Endpoint string

// The daemon's endpoints. They do not share an address: kubelets ask for health from the node itself, Prometheus for
// metrics from elsewhere, and whatever keeps one of them from being served leaves the other.
const (
	Health  Endpoint = "health"
	Metrics Endpoint = "metrics"
	// State is what `warren status` and `warren peers` ask on the node.
	State Endpoint = "state"
)

// Serves takes whether the endpoint is being served, and if not, why. That is a warning: the mesh works without it.
func (a *Agent) Serves(e Endpoint, err error) {
	a.warn(status.Step("serve "+e), err)
}

// ReachesAPIServer takes what an operator should know of the way to the API server, as kube.Config.Servers tells it;
// nil for nothing.
func (a *Agent) ReachesAPIServer(err error) { a.warn(stepWay, err) }

// FreesAddresses takes what keeps the addresses of pods that are gone from being freed, or those of running pods from
// being reserved; nil for nothing.
func (a *Agent) FreesAddresses(err error) { a.warn(stepAddresses, err) }

// Probes takes what keeps this node from asking peers for an echo and from answering theirs; nil for nothing.
func (a *Agent) Probes(err error) { a.warn(stepProbes, err) }

// warn notes a warning about a step; nil ends it.
func (a *Agent) warn(step status.Step, err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	a.status.Update(func(s status.Snapshot) status.Snapshot { return s.Warn(step, reason, time.Now()) })
}

// answer writes 200 and ok if there are no reasons, or 503 with the reasons, one on each line; about follows either.
func answer(w http.ResponseWriter, about string, reasons []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(reasons) == 0 {
		_, _ = io.WriteString(w, "ok\n"+about)
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, strings.Join(reasons, "\n")+"\n"+about)
}

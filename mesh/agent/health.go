package agent

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves /healthz (is the worker alive), /readyz (is the mesh programmed, by which WireGuard, and if not, why)
// and /metrics.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "", a.status.Snapshot().Stuck(time.Now()))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		s := a.status.Snapshot()
		about := fmt.Sprintf("WireGuard: %s, %s\n", s.Daemon.Backend, s.Daemon.BackendReason)
		for _, warning := range s.Warnings() {
			about += "warning: " + warning + "\n"
		}
		answer(w, about, s.Unready())
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(newRegistry(a.status, a.cfg.Host), promhttp.HandlerOpts{}))
	return mux
}

// answer writes 200, ok and about if there are no reasons, or 503 with the reasons, one on each line.
func answer(w http.ResponseWriter, about string, reasons []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(reasons) == 0 {
		_, _ = io.WriteString(w, "ok\n"+about)
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, strings.Join(reasons, "\n")+"\n")
}

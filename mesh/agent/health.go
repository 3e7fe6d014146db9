package agent

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// stuckAfter is how long one pass may take before the worker counts as stuck. The longest seen is the removal of 5,000
// kernel peers: 95 seconds.
const stuckAfter = 5 * time.Minute

// Handler serves /healthz (is the worker alive), /readyz (is the mesh programmed, by which WireGuard, and if not, why) and /metrics.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, "", a.journal.stuck(time.Now())) })
	about := fmt.Sprintf("WireGuard: %s, %s\n", a.cfg.Backend, a.cfg.BackendReason)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, about, a.journal.unready()) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}

// answer is 200 ok and what there is to say about it without reasons, or 503 with them, one on each line.
func answer(w http.ResponseWriter, about string, reasons []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(reasons) == 0 {
		_, _ = io.WriteString(w, "ok\n"+about)
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, strings.Join(reasons, "\n")+"\n")
}

// stuck says why the worker is not alive; nothing is the good answer.
func (j *journal) stuck(now time.Time) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.started.IsZero() || now.Sub(j.started) < stuckAfter {
		return nil
	}
	return []string{fmt.Sprintf("a pass has been under way for %v", now.Sub(j.started).Round(time.Second))}
}

// unready says what the mesh lacks on this node; nothing is the good answer. A step that is no longer blocked is done only
// when the pass that found it so has ended well: until then, what the last one lacked is lacking.
func (j *journal) unready() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if reasons := j.reasons(); len(reasons) > 0 {
		return reasons
	}
	return j.undone
}

// reasons are the steps that are blocked, and why.
func (j *journal) reasons() []string {
	var reasons []string
	for _, s := range slices.Sorted(maps.Keys(j.blocked)) {
		reasons = append(reasons, fmt.Sprintf("%s: %s", s, j.blocked[s].text))
	}
	return reasons
}

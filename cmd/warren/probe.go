package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"warren.mesh/mesh/linux/echo"
	"warren.mesh/mesh/probe"
	"warren.mesh/mesh/status"
)

// probePath is where the daemon is asked to measure the ways to peers.
const probePath = "/v1/probe"

const (
	// defaultProbeInterval is that of --probe-interval.
	defaultProbeInterval = 30 * time.Second
	// probeTimeout bounds how long the daemon measures, unless it is asked for less; what is not measured by then, it
	// says.
	probeTimeout = 2 * time.Minute
	// mostRequest bounds a request, in bytes: 5,000 names.
	mostRequest = 2 << 20
)

// newStation returns what asks peers for an echo and answers theirs, for a daemon. silent returns whom to ask
// first.
func (d *daemon) newStation(report func(error), silent func() []string) *probe.Station {
	return probe.New(probe.Config{
		Node: d.node.name, Interval: d.probeInterval, Report: report, Silent: silent,
		Open: func(own netip.Addr) (probe.Socket, error) {
			return echo.Open(d.mesh.Link, netip.AddrPortFrom(own, probe.Port))
		},
	})
}

// handleProbe measures the ways to the peers that a request names. It takes longer than other answers of the daemon's.
func handleProbe(w http.ResponseWriter, r *http.Request, station *probe.Station) {
	var request status.PingRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostRequest)).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if request.Count < 1 || request.Count > status.MaxPings {
		http.Error(w, fmt.Sprintf("count %d is not between 1 and %d", request.Count, status.MaxPings),
			http.StatusBadRequest)
		return
	}
	limit := probeTimeout
	if request.Seconds > 0 {
		limit = min(limit, time.Duration(request.Seconds)*time.Second)
	}
	control := http.NewResponseController(w)
	// net/http cancels the request when its time to be read is over.
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Now().Add(probeTimeout + requestTimeout))
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	report, err := station.Ping(ctx, request)
	switch {
	case errors.Is(err, probe.ErrNoPeer):
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(report)
	}
}

// askPing has the daemon behind the socket measure the ways to peers.
func askPing(ctx context.Context, socket string, r status.PingRequest) (report status.PingReport, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return report, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout+requestTimeout)
	defer cancel()
	err = requestSocket(ctx, socket, http.MethodPost, probePath, body, &report)
	if err == nil && report.APIVersion != status.APIVersion {
		err = fmt.Errorf("it answers in version %q, want %q", report.APIVersion, status.APIVersion)
	}
	return report, err
}

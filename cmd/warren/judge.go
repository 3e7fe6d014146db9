package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"

	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/probe"
)

// judgePath is where the daemon says what the network policies decide about a connection.
const judgePath = "/v1/judge"

// stateHandler answers on the daemon's socket: its state, what probes measure and, where network policies are kept,
// what they decide.
func (d *daemon) stateHandler(a *agent.Agent, p *policies, station *probe.Station) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+probePath, func(w http.ResponseWriter, r *http.Request) { handleProbe(w, r, station) })
	mux.Handle("/", a.State())
	if d.networkPolicy {
		mux.HandleFunc("GET "+judgePath, func(w http.ResponseWriter, r *http.Request) {
			c, err := parseConnection(r.URL.Query())
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(p.enforcer.Judge(c))
		})
	}
	return mux
}

// connectionValues and parseConnection write and read a connection as a query.
func connectionValues(c policy.Connection) url.Values {
	return url.Values{
		"client": {c.Client.String()}, "server": {c.Server.String()}, "protocol": {string(c.Protocol)},
		"port": {strconv.Itoa(int(c.Port))},
	}
}

func parseConnection(v url.Values) (c policy.Connection, err error) {
	port, err := strconv.ParseUint(v.Get("port"), 10, 16)
	if err != nil {
		return c, fmt.Errorf("port %q is no port", v.Get("port"))
	}
	if c.Client, err = netip.ParseAddr(v.Get("client")); err != nil {
		return c, err
	}
	c.Server, err = netip.ParseAddr(v.Get("server"))
	c.Protocol, c.Port = policy.Protocol(v.Get("protocol")), uint16(port)
	return c, err
}

// askJudge returns what the daemon behind the socket says of a connection.
func askJudge(ctx context.Context, socket string, c policy.Connection) (d policy.Decision, err error) {
	err = askSocket(ctx, socket, judgePath+"?"+connectionValues(c).Encode(), &d)
	return d, err
}

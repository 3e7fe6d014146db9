package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"warren.mesh/mesh/probe"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// A daemon that cannot ask anybody says so, and its socket is root's alone. Requests that make no sense are refused.
func TestPingWithoutAnAnswer(t *testing.T) {
	runDir := t.TempDir()
	socket := filepath.Join(runDir, "warren.sock")
	mux := http.NewServeMux()
	station := probe.New(probe.Config{Node: "node-a"})
	mux.HandleFunc("POST "+probePath, func(w http.ResponseWriter, r *http.Request) { handleProbe(w, r, station) })
	if err := <-servingHandler(t, socket, mux); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
	for _, count := range []int{0, status.MaxPings + 1} {
		if _, err := askPing(t.Context(), socket, status.PingRequest{Count: count}); err == nil {
			t.Errorf("count %d is taken", count)
		}
	}
	for _, dir := range []string{runDir, t.TempDir()} {
		out, code := execute(t, "ping", "--run-dir", dir, "--all", "-o", "json")
		var d view.PingDocument
		if err := json.Unmarshal([]byte(out), &d); err != nil || code != view.ExitUnknown || d.Kind != status.PingKind {
			t.Errorf("exit status %d, %v:\n%s", code, err, out)
		}
	}
}

func TestPingUsage(t *testing.T) {
	for _, args := range [][]string{
		{"ping"}, {"ping", "node-b", "--all"}, {"ping", "node-b", "--count", "0"},
		{"ping", "node-b", "--count", "101"},
	} {
		if _, code := execute(t, args...); code != view.ExitUsage {
			t.Errorf("%q: exit status %d", args, code)
		}
	}
}

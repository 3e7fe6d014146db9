package main

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// Whatever the exit status, what is written for programs parses, and nothing has colours: this is no terminal.
func TestDocumentsParse(t *testing.T) {
	for state, want := range map[mesh.PeerState]int{
		mesh.PeerConnected: view.ExitWell, mesh.PeerUnanswered: view.ExitFinding,
	} {
		runDir := telling(t, wellReport(state))
		for _, command := range []string{"status", "peers"} {
			for _, format := range []string{"text", "wide", "json", "yaml", "name"} {
				out, code := execute(t, command, "--run-dir", runDir, "-o", format)
				if code != want || out == "" || strings.Contains(out, "\x1b") {
					t.Errorf("%s -o %s: exit status %d, want %d:\n%q", command, format, code, want, out)
				}
				if format == "json" && !json.Valid([]byte(out)) {
					t.Errorf("%s: no JSON:\n%s", command, out)
				}
				var r status.Report
				if format != "json" && format != "yaml" {
					continue
				} else if err := yaml.Unmarshal([]byte(out), &r); err != nil || r.Kind != status.ReportKind {
					t.Errorf("%s -o %s: %v, kind %q:\n%s", command, format, err, r.Kind, out)
				}
			}
		}
	}
}

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
		wantDocuments(t, want, "--run-dir", telling(t, wellReport(state)))
	}
	// No daemon, and no device of which the kernel could tell.
	wantDocuments(t, view.ExitUnknown, "--run-dir", t.TempDir())
}

// wantDocuments wants the commands to exit with a status, whatever the format.
func wantDocuments(t *testing.T, want int, flags ...string) {
	t.Helper()
	for _, command := range []string{"status", "peers"} {
		for _, format := range []string{"text", "wide", "json", "yaml", "name"} {
			out, code := execute(t, append([]string{command, "-o", format}, flags...)...)
			name := command + " -o " + format
			if code != want || out == "" && code != view.ExitUnknown || strings.Contains(out, "\x1b") {
				t.Errorf("%s: exit status %d, want %d:\n%q", name, code, want, out)
			}
			if format == "json" && !json.Valid([]byte(out)) {
				t.Errorf("%s: exit status %d: no JSON:\n%s", name, code, out)
			}
			var r status.Report
			if format != "json" && format != "yaml" {
				continue
			} else if err := yaml.Unmarshal([]byte(out), &r); err != nil || r.Kind != status.ReportKind {
				t.Errorf("%s: exit status %d: %v, kind %q:\n%s", name, code, err, r.Kind, out)
			}
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// Whatever the exit status, what is written for programs parses, and nothing has colours: this is no terminal.
func TestDocumentsParse(t *testing.T) {
	for want, change := range map[int]func(*fakeAPI){
		view.ExitWell:    func(*fakeAPI) {},
		view.ExitFinding: func(f *fakeAPI) { f.nodes[1].Annotations = nil; f.answer = unanswered(t) },
		// The ClusterRole warren-view alone: no exec.
		view.ExitUnknown: func(f *fakeAPI) { f.forbidden["pods/exec"] = true },
	} {
		f := newFakeAPI(t, 3)
		change(f)
		kubeconfig := f.start(t)
		for _, command := range []string{"status", "peers", "doctor"} {
			for _, format := range []string{"text", "wide", "json", "yaml", "name"} {
				name := fmt.Sprintf("%s -o %s", command, format)
				out, code, err := execute(t, "", command, "--kubeconfig", kubeconfig, "-o", format)
				if code != want || err != nil || strings.Contains(out, "\x1b") {
					t.Errorf("%s: exit status %d, want %d, %v:\n%q", name, code, want, err, out)
				}
				if !slices.Contains([]string{"json", "yaml"}, format) {
					continue
				}
				if format == "json" && !json.Valid([]byte(out)) {
					t.Errorf("%s: exit status %d: no JSON:\n%s", name, code, out)
				}
				var d view.ClusterDocument
				if err := yaml.Unmarshal([]byte(out), &d); err != nil || d.Kind != status.ClusterKind {
					t.Errorf("%s: exit status %d: %v, kind %q:\n%s", name, code, err, d.Kind, out)
				}
			}
		}
	}
}

func unanswered(t *testing.T) func(pod string, command []string) []byte {
	return func(pod string, _ []string) []byte {
		return []byte(strings.ReplaceAll(string(wellAnswer(t, pod)), "connected", "unanswered"))
	}
}

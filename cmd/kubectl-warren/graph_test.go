package main

import (
	"strings"
	"testing"

	"warren.mesh/mesh/view"
)

func TestGraph(t *testing.T) {
	f := newFakeAPI(t, 5)
	f.answer = func(pod string, _ []string) []byte {
		text := strings.ReplaceAll(string(wellAnswer(t, strings.TrimPrefix(pod, "warren-"))), "node-peer", "node-4")
		return []byte(strings.ReplaceAll(text, "connected", "unanswered"))
	}
	kubeconfig := f.start(t)
	for format, want := range map[string]string{
		"": `"node-2" -> "node-4" [label="unanswered"`, "dot": `"node-2" -> "node-4" [label="unanswered"`,
		"mermaid": `-. "unanswered" .->`, "svg": ">unanswered</text>",
	} {
		args := []string{"graph", "--kubeconfig", kubeconfig}
		if format != "" {
			args = append(args, "-o", format)
		}
		out, code, err := execute(t, "", args...)
		if err != nil || code != view.ExitFinding || !strings.Contains(out, want) {
			t.Errorf("%q: exit status %d, %v\n%s", format, code, err, out)
		}
	}
	if _, code, err := execute(t, "", "graph", "--kubeconfig", kubeconfig, "-o", "json"); err == nil ||
		code != view.ExitUsage || f.execs.Load() != 12 {
		t.Errorf("json: exit status %d, %v, %d execs", code, err, f.execs.Load())
	}
	f.answer = func(string, []string) []byte { return []byte("{}") }
	if _, code, err := execute(t, "", "graph", "--kubeconfig", kubeconfig); err != nil || code != view.ExitUnknown {
		t.Errorf("no answer: exit status %d, %v", code, err)
	}
}

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"warren.mesh/mesh/view"
)

// A compromised node neither commands the reader's terminal nor fills it, and adds no line.
func TestHostileNode(t *testing.T) {
	const command = "\x1b[2J\x1b]52;c;cm0gLXJm\x07"
	f := newFakeAPI(t, 3)
	f.complaint = map[string]string{"warren-node-2": strings.Repeat(command, 100_000)}
	f.answer = func(pod string, _ []string) []byte {
		text := wellAnswer(t, strings.TrimPrefix(pod, "warren-"))
		var d view.NodeDocument
		if err := json.Unmarshal(text, &d); err != nil || pod != "warren-node-1" {
			return text
		}
		for i := range d.Checks {
			if d.Checks[i].ID == "W11" {
				d.Checks[i].Result, d.Checks[i].Detail = view.Fail, "x"+command+"\nAll checks are well."
			}
		}
		d.Peers[0].Node, d.Status.Daemon.Version = "peer"+command, "v1.4.0"+command
		text, _ = json.Marshal(d)
		return text
	}
	kubeconfig := f.start(t)
	for command, want := range map[string]string{
		"doctor --short": `node-1: x\x1b[2J\x1b]52;c;cm0gLXJm\a; All checks are well.`,
		"status":         `v1.4.0\x1b[2J\x1b]52;c;cm0gLXJm\a`,
		"peers":          `node-2: ask pod warren-node-2: `,
	} {
		var out strings.Builder // and the errors in it
		args := append(strings.Fields(command), "--kubeconfig", kubeconfig)
		_, err := run(t.Context(), args, streams{strings.NewReader(""), &out, &out})
		text := out.String()
		forged := strings.Contains(text, "\nAll checks are well.")
		control := strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && unicode.IsControl(r) })
		if err != nil || forged || control || !strings.Contains(text, want) {
			t.Errorf("%s: %v, want %q in\n%q", command, err, want, text)
		}
		if len(text) > 64<<10 {
			t.Errorf("%s: %d bytes", command, len(text))
		}
	}
}

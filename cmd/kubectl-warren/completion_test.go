package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completed returns what the shell is offered for these arguments.
func completed(t *testing.T, args ...string) []string {
	t.Helper()
	var out, errs strings.Builder
	code, err := run(t.Context(), append([]string{"__complete"}, args...), streams{strings.NewReader(""), &out, &errs})
	if err != nil {
		t.Fatalf("complete %v: %d, %v", args, code, err)
	}
	var words []string
	for line := range strings.Lines(out.String()) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		words = append(words, word)
	}
	return words
}

// A shell completes commands and flags.
func TestCompletion(t *testing.T) {
	for _, c := range []struct{ args, want []string }{
		{[]string{""}, []string{"status", "peers", "doctor", "plan"}},
		{[]string{"st"}, []string{"status"}},
		{[]string{"status", "--fr"}, []string{"--from"}},
	} {
		for _, want := range c.want {
			if got := completed(t, c.args...); !slices.Contains(got, want) {
				t.Errorf("%q: %q lack %s", c.args, got, want)
			}
		}
	}
}

// What kubectl executes to complete the plugin's arguments asks the plugin, and passes them on as they are.
func TestKubectlCompletes(t *testing.T) {
	dir := t.TempDir()
	plugin := "#!/bin/sh\nfor a in \"$@\"; do echo \"[$a]\"; done\n"
	if err := os.WriteFile(filepath.Join(dir, "kubectl-warren"), []byte(plugin), 0o700); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "../../tools/release/kubectl_complete-warren", "status", "--from", "")
	c.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if want := "[__complete]\n[status]\n[--from]\n[]\n"; err != nil || string(out) != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

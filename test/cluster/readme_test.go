package cluster_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the README tells people to look at says what it is said to: its commands run as they are written there, with the
// environment that `make cluster` prints.
func (s *scene) readme(t *testing.T) {
	shown := map[string]string{}
	for _, line := range readmeCommands(t, s.Root()) {
		script := "export PATH=" + filepath.Join(s.Dir, "bin") + ":$PATH KUBECONFIG=" + s.Kubeconfig + "\n" + line
		for _, kind := range []string{"custom-columns", "wg show"} {
			if strings.Contains(line, kind) {
				shown[kind] = command(t, "sh", "-c", script)
			}
		}
	}
	s.wantColumns(t, shown["custom-columns"])
	if got, want := strings.Count(shown["wg show"], "latest handshake:"), len(s.Nodes())-1; got != want {
		t.Errorf("%d handshakes, want %d, in\n%s", got, want, shown["wg show"])
	}
}

// readmeCommands are the lines behind a prompt.
func readmeCommands(t *testing.T, root string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "    $ "); ok {
			commands = append(commands, rest)
		}
	}
	return commands
}

// wantColumns expects a line for each node with its name, key, endpoint, pod CIDRs and addresses.
func (s *scene) wantColumns(t *testing.T, out string) {
	t.Helper()
	want := [][]string{{"NAME", "KEY", "ENDPOINT", "PODS", "NODE"}}
	for _, n := range s.Nodes() {
		object := n.Object(t)
		var addrs []string
		for _, a := range n.Addrs() {
			addrs = append(addrs, a.String())
		}
		row := []string{n.Name}
		for _, field := range []string{"public-key", "endpoint"} {
			row = append(row, object.Annotations["warren.mesh/"+field])
		}
		want = append(want, append(row, strings.Join(object.Spec.PodCIDRs, ","), strings.Join(addrs, ",")))
	}
	var got [][]string
	for line := range strings.Lines(out) {
		got = append(got, strings.Fields(line))
	}
	slices.SortFunc(got[min(1, len(got)):], slices.Compare)
	slices.SortFunc(want[1:], slices.Compare)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

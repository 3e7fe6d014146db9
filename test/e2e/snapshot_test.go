package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/audit"
)

// inquiries show a node's mesh as its administrator sees it, without counters and times.
var inquiries = []string{
	"ip -br link show dev warren0",
	"ip -br address show dev warren0",
	"ip -4 route show table all proto 87",
	"ip -6 route show table all proto 87",
	"ip -4 rule",
	"ip -6 rule",
	"wg show warren0 public-key",
	"wg show warren0 listen-port",
	"wg show warren0 endpoints",
	"wg show warren0 allowed-ips",
	"wg show warren0 persistent-keepalive",
	"nft --stateless list table inet warren",
	// Inode and time of the last change: a file written anew with the same content is a change too.
	"stat --dereference --format=%n:%i:%Y /etc/cni/net.d/10-warren.conflist",
	"stat --format=%n:%i:%Y /etc/cni/net.d/10-warren.conflist",
}

// snapshot is the state of the mesh on a node: each inquiry's lines, sorted.
func snapshot(t *testing.T, n *lab.Node) map[string][]string {
	t.Helper()
	all, err := trySnapshot(n)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return all
}

// trySnapshot is snapshot for a node whose mesh may be broken.
func trySnapshot(n *lab.Node) (map[string][]string, error) {
	all := map[string][]string{}
	for _, inquiry := range inquiries {
		command := strings.Fields(inquiry)
		answer, err := n.Exec(command[0], command[1:]...)
		if err != nil {
			return nil, err
		}
		lines := sorted(answer)
		if len(lines) == 0 && !strings.Contains(inquiry, "route") {
			return nil, fmt.Errorf("%s: %s shows nothing", n.Name, inquiry)
		}
		all[inquiry] = lines
	}
	return all, nil
}

// sorted is an answer's lines, sorted. warren's rules are shown without their preference: a sequence that is set anew
// has another one.
func sorted(answer string) []string {
	var lines []string
	for line := range strings.Lines(answer) {
		if strings.Contains(line, " proto 87") {
			line = preference.ReplaceAllString(line, "")
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// preference is how ip-rule(8) begins a line.
var preference = regexp.MustCompile(`^\d+:\t`)

// differing is nil where two snapshots are the same.
func differing(before, now map[string][]string) error {
	if diff := cmp.Diff(before, now); diff != "" {
		return fmt.Errorf("it differs (-before +now):\n%s", diff)
	}
	return nil
}

// record is the state of the whole mesh at some time.
type record struct {
	scene *scene
	// nodes are by name, and versions their objects' resourceVersions.
	nodes    map[string]map[string][]string
	versions map[string]string
	// asked is how many requests the API server had had by then.
	asked int
}

func (s *scene) record(t *testing.T) record {
	t.Helper()
	r := record{scene: s, nodes: map[string]map[string][]string{}, versions: map[string]string{},
		asked: len(s.Audit(t))}
	for _, n := range s.Nodes() {
		r.nodes[n.Name] = snapshot(t, n)
		r.versions[n.Name] = n.Object(t).ResourceVersion
	}
	return r
}

// wantSameHosts fails the test where a node's snapshot is not as it was.
func (r record) wantSameHosts(t *testing.T) {
	t.Helper()
	for _, n := range r.scene.Nodes() {
		wantUnchanged(t, n, r.nodes[n.Name])
	}
}

// wantUnchanged fails the test where the node's snapshot is not as before.
func wantUnchanged(t *testing.T, n *lab.Node, before map[string][]string) {
	t.Helper()
	if err := differing(before, snapshot(t, n)); err != nil {
		t.Errorf("%s: %v", n.Name, err)
	}
}

// wantSameObjects fails the test where a Node has changed, or was asked to.
func (r record) wantSameObjects(t *testing.T) {
	t.Helper()
	for _, n := range r.scene.Nodes() {
		if now := n.Object(t).ResourceVersion; now != r.versions[n.Name] {
			t.Errorf("Node %s has changed: resourceVersion %s, was %s", n.Name, now, r.versions[n.Name])
		}
	}
	for _, request := range r.scene.Audit(t)[r.asked:] {
		if writes(request) {
			t.Errorf("the API server was asked to write: %+v", request)
		}
	}
}

// writes leaves out Events: one may tell of what came before.
func writes(r audit.Request) bool {
	return !r.DryRun && r.Resource != "events" && !slices.Contains([]string{"get", "list", "watch"}, r.Verb)
}

// operations is the daemon's own count of what it has written to the host since its start.
func operations(t *testing.T, n *lab.Node) (count int) {
	t.Helper()
	for series, value := range n.Metrics(t) {
		if strings.HasPrefix(series, "warren_host_operations_total{") {
			count += int(value)
		}
	}
	return count
}

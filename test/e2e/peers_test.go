package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/test/lab"
)

// devicePeers are the view's Peers alone.
func devicePeers(t *testing.T, n *lab.Node) []string {
	t.Helper()
	endpoints := map[string]string{}
	for line := range strings.Lines(n.MustExec(t, "wg", "show", "warren0", "endpoints")) {
		fields := strings.Fields(line)
		endpoints[fields[0]] = fields[1]
	}
	var peers []string
	for line := range strings.Lines(n.MustExec(t, "wg", "show", "warren0", "allowed-ips")) {
		fields := strings.Fields(line)
		slices.Sort(fields[1:])
		peers = append(peers, fields[0]+" "+endpoints[fields[0]]+" "+strings.Join(fields[1:], " "))
	}
	slices.Sort(peers)
	return peers
}

// devicePeers are those of every node, by its name.
func (s *scene) devicePeers(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, n := range s.Nodes() {
		all[n.Name] = devicePeers(t, n)
	}
	return all
}

// wantPeers fails the test where the node's peers are others than before.
func wantPeers(t *testing.T, n *lab.Node, before map[string][]string, now []string) {
	t.Helper()
	if diff := cmp.Diff(before[n.Name], now); diff != "" {
		t.Errorf("peers of %s (-before +after):\n%s", n.Name, diff)
	}
}

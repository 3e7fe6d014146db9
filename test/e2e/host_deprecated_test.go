package e2e

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

// recovery is how long a node's mesh may take once its address is preferred again: two attempts of a handshake, each
// after REKEY_TIMEOUT, five seconds, and a third of one at most (wireguard-go, RekeyTimeoutJitterMaxMs).
const recovery = 11 * time.Second

// A node's IPv6 address is deprecated for a while, as by a router that changes its prefix: the kernel then prefers the
// gateway address as source of what the device sends, and peers that took that for the node's would send into the mesh
// what carries the mesh.
func TestPrivilegedDeprecatedAddress(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	s := newScene(t, lab.Options{Family: lab.IPv6})
	n := s.Node(1)
	flows := s.crossing(t)
	before := firewallCounts(t, s.Lab)

	prefer(t, n, "0")
	pass(t, flows, 200)
	s.wantNoRoaming(t)
	// A device that starts now knows no source that has ever worked.
	n.KillDevice(t)
	n.StartDevice(t)
	lab.Wait(t, time.Minute, "the guard to have dropped the device's packets", func() error {
		return want("packets", firewallCounts(t, s.Lab)["node1 loop"]-before["node1 loop"], 1)
	})
	s.wantNoRoaming(t)
	flows.Stop()

	begin := time.Now()
	prefer(t, n, "forever")
	flows = s.crossing(t)
	took := s.lastHandshake(t).Sub(begin)
	t.Logf("recovered in %v", took.Round(time.Millisecond))
	if took > recovery {
		t.Errorf("recovered in %v, want %v at most", took, recovery)
	}
	s.wantNoRoaming(t)
	pass(t, flows, 200)
	wantNoLoss(t, flows)
	before.wantSame(t, s.Lab, "node1 loop")
}

// prefer sets how long, in seconds or forever, the address of a node with IPv6 only is preferred.
func prefer(t *testing.T, n *lab.Node, lifetime string) {
	t.Helper()
	own := netip.PrefixFrom(n.Addrs()[0], 64)
	n.MustExec(t, "ip", "address", "change", own.String(), "dev", "eth0", "valid_lft", "forever", "preferred_lft",
		lifetime)
}

// lastHandshake is when the last session of all began, to the second.
func (s *scene) lastHandshake(t *testing.T) (last time.Time) {
	t.Helper()
	for _, n := range s.Nodes() {
		for line := range strings.Lines(n.MustExec(t, "wg", "show", "warren0", "latest-handshakes")) {
			_, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
			seconds, err := strconv.ParseInt(text, 10, 64)
			if err != nil || seconds == 0 {
				t.Fatalf("%s has no session: %q, %v", n.Name, line, err)
			}
			if at := time.Unix(seconds, 0); at.After(last) {
				last = at
			}
		}
	}
	return last
}

// wantNoRoaming fails the test for endpoints inside the mesh.
func (s *scene) wantNoRoaming(t *testing.T) {
	t.Helper()
	for _, n := range s.Nodes() {
		for line := range strings.Lines(n.MustExec(t, "wg", "show", "warren0", "endpoints")) {
			key, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
			endpoint, err := netip.ParseAddrPort(text)
			if err != nil {
				// A device without any: "(none)".
				continue
			}
			if sameFamily(s.ClusterCIDRs(), endpoint.Addr()).Contains(endpoint.Addr()) {
				t.Errorf("%s: peer %s has roamed to %v", n.Name, key, endpoint)
			}
		}
	}
}

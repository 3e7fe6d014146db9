package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/status"
	views "warren.mesh/mesh/view"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// unansweredWithin is how long it may take until a node says that a peer does not answer: a session lasts 180 seconds
// after the last handshake, and the device is read every 30 seconds.
const unansweredWithin = 240 * time.Second

// While UDP 51820 is blocked between two nodes, and packets go to the second and a third, the first says that the
// second alone does not answer, and its commands exit with 1. A fourth node, to which nothing goes, is idle at last and
// never unanswered.
func TestPrivilegedLongUnanswered(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	l := lab.Start(t, lab.Options{Nodes: 4})
	l.StartMesh(t)
	a, b, c, silent := l.Node(1), l.Node(2), l.Node(3), l.Node(4)
	from := a.AddPod(t, "a")
	flows := traffic.Flows{
		l.Flow(t, from.Host, b.AddPod(t, "a").Host, traffic.Options{}),
		l.Flow(t, from.Host, c.AddPod(t, "a").Host, traffic.Options{}),
	}
	flows.WaitEstablished(t)
	if states, code := peerStates(t, a); states[b.Name] != mesh.PeerConnected || code != views.ExitWell {
		t.Errorf("before: exit status %d, %v", code, states)
	}
	blockWireGuard(t, a, b)
	blockWireGuard(t, b, a)
	took := lab.Wait(t, unansweredWithin, a.Name+" to say that "+b.Name+" does not answer", func() error {
		states, _ := peerStates(t, a)
		if states[c.Name] != mesh.PeerConnected || states[silent.Name] == mesh.PeerUnanswered {
			t.Fatalf("peers that are not blocked are %v", states)
		}
		return wantState(states, b, mesh.PeerUnanswered)
	})
	t.Logf("unanswered after %v", took.Round(time.Second))
	expected := map[string]mesh.PeerState{
		b.Name: mesh.PeerUnanswered, c.Name: mesh.PeerConnected, silent.Name: mesh.PeerIdle,
	}
	lab.Wait(t, unansweredWithin, silent.Name+" to be idle", func() error {
		states, code := peerStates(t, a)
		if diff := cmp.Diff(expected, states); diff != "" || code != views.ExitFinding {
			return fmt.Errorf("exit status %d, (-want +got):\n%s", code, diff)
		}
		return nil
	})
	for _, command := range []string{"peers", "status"} {
		if out, code := a.Warren(t, command); code != views.ExitFinding {
			t.Errorf("warren %s exits with %d:\n%s", command, code, out)
		}
	}
	if states, code := peerStates(t, c); states[a.Name] != mesh.PeerConnected || code != views.ExitWell {
		t.Errorf("%s: exit status %d, %v", c.Name, code, states)
	}
	for _, n := range []*lab.Node{a, b} {
		n.MustExec(t, "nft", "delete table inet blocked")
	}
	lab.Wait(t, time.Minute, b.Name+" to answer again", func() error {
		states, code := peerStates(t, a)
		if code != views.ExitWell {
			return fmt.Errorf("exit status %d, %v", code, states)
		}
		return wantState(states, b, mesh.PeerConnected)
	})
}

// peerStates returns what `warren peers` says on a node, by the peers' names, and its exit status.
func peerStates(t *testing.T, n *lab.Node) (map[string]mesh.PeerState, int) {
	t.Helper()
	out, code := n.Warren(t, "peers", "-o", "json")
	var r status.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%s: warren peers exits with %d: %v\n%s", n.Name, code, err, out)
	}
	states := map[string]mesh.PeerState{}
	for _, p := range r.Peers {
		states[p.Node] = p.State
	}
	return states, code
}

// wantState is nil where the peer's state is that.
func wantState(states map[string]mesh.PeerState, peer *lab.Node, want mesh.PeerState) error {
	if got := states[peer.Name]; got != want {
		return fmt.Errorf("%s is %s, want %s", peer.Name, got, want)
	}
	return nil
}

// blockWireGuard drops a node's WireGuard packets to a peer and from it.
func blockWireGuard(t *testing.T, n, peer *lab.Node) {
	t.Helper()
	rules := "add table inet blocked\n" +
		"add chain inet blocked in { type filter hook input priority 0; }\n" +
		"add chain inet blocked out { type filter hook output priority 0; }\n"
	for _, addr := range peer.Addrs() {
		family := map[bool]string{true: "ip", false: "ip6"}[addr.Is4()]
		rules += fmt.Sprintf("add rule inet blocked in %s saddr %v udp dport 51820 drop\n", family, addr) +
			fmt.Sprintf("add rule inet blocked out %s daddr %v udp dport 51820 drop\n", family, addr)
	}
	n.MustExec(t, "nft", rules)
}

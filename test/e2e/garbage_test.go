package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// Whatever a node says of itself, all others say what is wrong with it, and nobody but that node is the worse for it.
func TestPrivilegedGarbage(t *testing.T) {
	meshtest.Privileged(t)
	s := newScene(t, lab.Options{Family: lab.Dual, NoPolicies: true})
	t.Run("on new nodes", s.garbageOnNewNodes)
	t.Run("on a running node", s.garbageOnRunningNode)
}

// garbageOnNewNodes registers one node for each piece of garbage, sound but for that, and one that is sound altogether.
func (s *scene) garbageOnNewNodes(t *testing.T) {
	flows := s.crossing(t)
	before := s.devicePeers(t)
	good := pretend("sound", 0)
	nodes, wrong := []pretended{good}, []string{}
	for i, g := range meshtest.GarbageCorpus() {
		bad := pretend("garbage-"+g.Name, i+1)
		g.Spoil(&bad.announcement, &bad.overrides)
		nodes, wrong = append(nodes, bad), append(wrong, bad.name+" "+string(g.Field))
	}
	register(t, s.Lab, nodes...)
	t.Logf("%d pieces of garbage", len(wrong))
	for _, n := range s.Nodes() {
		waitProblems(t, n, wrong...)
		logged, _ := loggedProblems(t, n)
		for problem, lines := range logged {
			if lines != 1 {
				t.Errorf("%s has logged problem %q %d times", n.Name, problem, lines)
			}
		}
		after := devicePeers(t, n)
		at := slices.IndexFunc(after, func(peer string) bool {
			return strings.HasPrefix(peer,
				good.announcement.PublicKey)
		})
		if at < 0 {
			t.Fatalf("%s does not have the sound node as peer: %q", n.Name, after)
		}
		wantPeers(t, n, before, slices.Delete(after, at, at+1))
	}
	pass(t, flows, watched)
	wantNoLoss(t, flows)
	unregister(t, s.Lab, nodes...)
	waitAllProblems(t, s.Nodes())
	waitViews(t, s.Nodes())
}

// garbageOnRunningNode spoils what node3 says: where only an administrator can mend it, where its daemon does as soon
// as it is there again, and where the daemon does at once. The other two go on talking.
func (s *scene) garbageOnRunningNode(t *testing.T) {
	one, two, three := s.Node(1), s.Node(2), s.Node(3)
	flows := s.FlowsAmong(t, traffic.Options{}, s.pods[0].Host, s.pods[2].Host)
	flows.WaitEstablished(t)

	three.Annotate(t, map[string]string{"warren.mesh/force-endpoint": "127.0.0.1:51820"})
	waitAllProblems(t, s.Nodes(), "node3 force-endpoint")
	waitViews(t, []*lab.Node{one, two}, three)
	three.Annotate(t, map[string]string{"warren.mesh/force-endpoint": ""})
	waitAllProblems(t, s.Nodes())
	waitViews(t, s.Nodes())

	three.StopDaemon(t)
	three.Annotate(t, map[string]string{"warren.mesh/public-key": "key", "warren.mesh/pod-cidrs": "0.0.0.0/0"})
	waitAllProblems(t, []*lab.Node{one, two}, "node3 public-key", "node3 pod-cidrs")
	waitViews(t, []*lab.Node{one, two}, three)
	three.StartDaemon(t)
	three.WaitReady(t)
	waitAllProblems(t, s.Nodes())
	waitViews(t, s.Nodes())

	three.Annotate(t, map[string]string{"warren.mesh/public-key": "key"})
	lab.Wait(t, patience, "node3 to mend its annotation", func() error {
		if got, want := three.Object(t).Annotations["warren.mesh/public-key"], publicKey(t, three); got != want {
			return fmt.Errorf("it is %q, want %s", got, want)
		}
		return nil
	})
	waitAllProblems(t, s.Nodes())
	waitViews(t, s.Nodes())
	pass(t, flows, watched)
	wantNoLoss(t, flows)
	checkAll(t, s.paths(t))
}

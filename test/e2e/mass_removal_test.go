package e2e

import (
	"fmt"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// If more than half of a node's peers disappear, the one that makes them so many is kept: its pods are reached as
// before, until its Node is back.
func TestPrivilegedMassRemoval(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	s := newScene(t, lab.Options{Family: lab.Dual, NoPolicies: true})
	one, three := s.Node(1), s.Node(3)
	gone := []pretended{pretend("gone-1", 1), pretend("gone-2", 2)}
	register(t, s.Lab, gone...)
	waitProgrammed(t, one, 4)
	flows := s.FlowsAmong(t, traffic.Options{}, s.pods[0].Host, s.pods[4].Host)
	flows.WaitEstablished(t)

	unregister(t, s.Lab, gone...)
	waitProgrammed(t, one, 2)
	cidrs := three.PodCIDRs(t)
	three.DeleteObject(t)
	waitHeld(t, one, 1)
	pass(t, flows, unattended)
	waitProgrammed(t, one, 2)

	three.CreateObject(t, cidrs...)
	three.WaitReady(t)
	waitHeld(t, one, 0)
	pass(t, flows, watched)
	wantNoLoss(t, flows)
}

// waitHeld waits until the node says that it keeps so many peers that are gone.
func waitHeld(t *testing.T, n *lab.Node, peers int) {
	t.Helper()
	lab.Wait(t, time.Minute, n.Name+" to say how many peers it keeps", func() error {
		if got := int(n.Metrics(t)["warren_peers_held"]); got != peers {
			return fmt.Errorf("%d, want %d", got, peers)
		}
		return nil
	})
}

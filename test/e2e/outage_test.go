package e2e

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

// outage is how long the API server is away.
const outage = time.Minute

// An outage of the API server freezes mesh and policies, for the daemons that it finds running and for those that start
// meanwhile.
func TestPrivilegedAPIOutage(t *testing.T) {
	meshtest.Privileged(t)
	// It waits for most of its time.
	t.Parallel()
	s := newScene(t, lab.Options{Family: lab.Dual})
	paths, guarded := s.paths(t), s.guard(t)
	flows := append(s.crossing(t), guarded.let...)
	s.Node(3).Schedule(t, scheduled)
	before := s.record(t)

	s.StopAPI(t)
	back := time.Now().Add(outage)
	terminated, killed, untouched := s.Node(1), s.Node(2), s.Node(3)
	terminated.StopDaemon(t)
	killed.KillDaemon(t)
	pass(t, flows, unattended)
	for _, n := range []*lab.Node{terminated, killed} {
		n.StartDaemon(t)
		waitWaiting(t, n, "API server")
	}
	if err := untouched.Healthy(); err != nil {
		t.Errorf("%s: %v", untouched.Name, err)
	}
	wantPeersOfDevice(t, untouched)
	before.wantSameHosts(t)
	s.checkNewcomer(t, untouched)
	checkAll(t, paths)
	before.wantSameHosts(t)

	lab.Wait(t, 2*outage, "the outage to last", func() error {
		if time.Now().Before(back) {
			return errors.New("not over yet")
		}
		return nil
	})
	before.wantSameHosts(t)
	s.StartAPI(t)
	begin := time.Now()
	for _, n := range s.Nodes() {
		n.WaitReady(t)
	}
	s.WaitMeshed(t)
	t.Logf("all daemons ready %v after the API server was", time.Since(begin).Round(time.Millisecond))
	pass(t, flows, unattended)
	before.wantSameHosts(t)
	before.wantSameObjects(t)
	wantNoLoss(t, flows)
	t.Run("an empty store", s.emptyStore)
	guarded.wantRefused(t)
}

// emptyStore has the API server return knowing nobody, and then with the store that it had. Each daemon says that it
// waits for its own Node, and nobody takes the others for gone.
func (s *scene) emptyStore(t *testing.T) {
	for _, n := range s.Nodes() {
		n.StopDaemon(t)
		n.StartDaemon(t, "--kubeconfig="+filepath.Join(s.Dir, "pki", "admin.kubeconfig")) // no token outlives its store
		n.WaitReady(t)
	}
	flows, before := s.crossing(t), s.record(t)
	begin := time.Now()
	s.LoseStore(t)
	for _, n := range s.Nodes() {
		waitWaiting(t, n, "own Node object: the cluster has no Node named "+n.Name)
	}
	t.Logf("all daemons miss their Nodes %v after the store was lost", time.Since(begin).Round(time.Millisecond))
	pass(t, flows, unattended)
	before.wantSameHosts(t)
	s.RecoverStore(t)
	for _, n := range s.Nodes() {
		n.WaitReady(t)
	}
	s.WaitMeshed(t)
	pass(t, flows, unattended)
	before.wantSameHosts(t)
	before.wantSameObjects(t)
	wantNoLoss(t, flows)
}

// scheduled is a pod that the scheduler has given to a node before the outage.
var scheduled = lab.PodOptions{Name: "newcomer"}

// checkNewcomer attaches a pod to a node and tries its ways from and to a pod of every node.
func (s *scene) checkNewcomer(t *testing.T, n *lab.Node) {
	t.Helper()
	newcomer := n.StartPod(t, scheduled)
	for _, own := range newcomer.Addrs() {
		for _, pod := range s.pods {
			path{from: newcomer.Host, to: pod.Host, target: pod.Addr(own), source: own}.check(t)
			path{from: pod.Host, to: newcomer.Host, target: own, source: pod.Addr(own)}.check(t)
		}
	}
}

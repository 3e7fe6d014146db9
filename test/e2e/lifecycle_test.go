package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/status"
	views "warren.mesh/mesh/view"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// unattended is how many packets each flow sends while no daemon runs: two seconds.
const unattended = 400

// The data path belongs to the kernel and the device process: all daemons may end at once, however they end. So do the
// policies.
func TestPrivilegedDaemonsEndAndReturn(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	s := newScene(t, lab.Options{Family: lab.Dual})
	for _, n := range s.Nodes() {
		if operations(t, n) == 0 {
			t.Errorf("%s: the first daemon has counted no writes to the host", n.Name)
		}
	}
	guarded := s.guard(t)
	flows := append(s.crossing(t), guarded.let...)
	for _, way := range []struct {
		name string
		end  func(*lab.Node, lab.TB)
	}{
		{"SIGTERM", (*lab.Node).StopDaemon},
		{"SIGKILL", (*lab.Node).KillDaemon},
	} {
		t.Run(way.name, func(t *testing.T) { s.endAll(t, flows, way.end) })
	}
	wantNoLoss(t, flows)
	guarded.wantRefused(t)
}

// endAll ends all daemons, starts them again, and wants the same mesh as before without a write to get there.
func (s *scene) endAll(t *testing.T, flows traffic.Flows, end func(*lab.Node, lab.TB)) {
	t.Helper()
	before := s.record(t)
	var watched []*changes
	for _, n := range s.Nodes() {
		watched = append(watched, watchChanges(t, n))
	}
	wantStatus(t, s.Node(1), status.SourceDaemon, views.ExitWell)
	for _, n := range s.Nodes() {
		end(n, t)
	}
	pass(t, flows, unattended)
	wantStatus(t, s.Node(1), status.SourceKernel, views.ExitUnknown)
	for _, n := range s.Nodes() {
		n.StartDaemon(t)
	}
	for _, n := range s.Nodes() {
		n.WaitReady(t)
	}
	s.WaitMeshed(t)
	pass(t, flows, unattended)
	for i, n := range s.Nodes() {
		watched[i].wantNone(t)
		if count := operations(t, n); count != 0 {
			t.Errorf("%s: the restarted daemon has counted %d writes to the host", n.Name, count)
		}
	}
	before.wantSameHosts(t)
	before.wantSameObjects(t)
}

// A node that has booted knows yesterday's keys and addresses, but its guard and its tables of policies are gone: no
// pod may start before the daemon has programmed them. What is sent to it and its pods meanwhile stays in the tunnel or
// nowhere. Its first pod is one that a policy isolates.
func TestPrivilegedReboot(t *testing.T) {
	meshtest.Privileged(t)
	l := lab.Start(t, lab.Options{Nodes: 2, Family: lab.Dual})
	captured(t, l)
	l.StartMesh(t)
	stays, boots := l.Node(1), l.Node(2)
	a, b := stays.AddPod(t, "a"), boots.AddPod(t, "b")
	for _, own := range a.Addrs() {
		o := traffic.Options{IPv6: own.Is6()}
		traffic.Flows{l.Flow(t, a.Host, b.Host, o), l.Flow(t, a.Host, boots.Host, o)}.WaitEstablished(t)
	}
	r := rebooted{Lab: l, node: boots, far: a}
	r.isolate(t)

	boots.Schedule(t, lab.PodOptions{Name: "early"})
	l.StopAPI(t)
	boots.Reboot(t)
	wantNoPod(t, boots, "the machine is up, its daemon is not")
	boots.StartDevice(t)
	boots.StartDaemon(t)
	waitWaiting(t, boots, "API server")
	wantNoPod(t, boots, "the daemon waits")

	if !t.Run("policies", r.wantClosedFromTheFirst) {
		return
	}
	b = boots.AddPod(t, "c")
	for _, own := range a.Addrs() {
		for _, p := range []path{
			{from: a.Host, to: b.Host, target: b.Addr(own), source: own},
			{from: b.Host, to: a.Host, target: own, source: b.Addr(own)},
			{from: b.Host, to: stays.Host, target: stays.Addr(own), source: b.Addr(own)},
			{from: a.Host, to: boots.Host, target: boots.Addr(own), source: own},
		} {
			p.check(t)
		}
	}
	boots.WaitReady(t)
}

// wantNoPod wants a pod's attachment to fail because there is no CNI configuration.
func wantNoPod(t *testing.T, n *lab.Node, when string) {
	t.Helper()
	if _, err := n.TryPod("early"); err == nil || !strings.Contains(err.Error(), "/etc/cni/net.d") {
		t.Fatalf("%s: attach a pod while %s: error %v, want that of a configuration that is missing", n.Name, when, err)
	}
}

// waitWaiting waits until the daemon says on /readyz that it waits for this, while /healthz is green.
func waitWaiting(t *testing.T, n *lab.Node, what string) {
	t.Helper()
	lab.Wait(t, time.Minute, n.Name+" to say that it waits for the "+what, func() error {
		if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "waiting for") ||
			!strings.Contains(err.Error(), what) {
			return fmt.Errorf("/readyz: %w", err)
		}
		return n.Healthy()
	})
}

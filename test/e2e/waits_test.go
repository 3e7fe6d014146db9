package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// A daemon that lacks something others have to give waits for it, says so once, and keeps what runs; what it finds on
// the host by itself it refuses to start with.
func TestPrivilegedWaitsAndRefuses(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	w := newWaiting(t)
	for _, r := range refusals {
		t.Run("refuses/"+r.name, func(t *testing.T) { r.check(t, w.Lab, w.joins) })
	}
	wantUntouched(t, w.joins)
	t.Run("waits/joining", w.joining)
	t.Run("waits/api-unreachable", w.unreachable)
	t.Run("waits/api-unreachable-unguarded", w.unguarded)
	t.Run("waits/api-forbidden", w.forbidden)
	t.Run("waits/own-node-missing", w.missing)
	t.Run("waits/service-away", w.serviceAway)
}

// waiting is a mesh of two nodes with a pod each, and a third node on which nothing has started.
type waiting struct {
	*lab.Lab
	// waits is the node whose daemon waits.
	waits, remote, joins *lab.Node
	a, b                 *lab.Pod
}

func newWaiting(t *testing.T) *waiting {
	t.Helper()
	w := &waiting{Lab: lab.Start(t, lab.Options{Nodes: 2, Family: lab.Dual})}
	captured(t, w.Lab)
	w.StartMesh(t)
	w.waits, w.remote = w.Node(1), w.Node(2)
	w.a, w.b = w.waits.AddPod(t, "a"), w.remote.AddPod(t, "b")
	w.StopControllers(t)
	w.joins = w.AddNode(t, lab.NodeOptions{})
	return w
}

// talk are flows between the pods of the two nodes, and from each to the other node.
func (w *waiting) talk(t *testing.T) traffic.Flows {
	t.Helper()
	flows := w.FlowsAmong(t, traffic.Options{}, w.a.Host, w.b.Host)
	for _, own := range w.a.Addrs() {
		o := traffic.Options{IPv6: own.Is6()}
		flows = append(flows, w.Flow(t, w.a.Host, w.remote.Host, o), w.Flow(t, w.b.Host, w.waits.Host, o))
	}
	flows.WaitEstablished(t)
	return flows
}

// joining is a node's way into the mesh when everything it needs comes late: first nobody assigns it a pod CIDR, then
// there is no device process. No pod starts there before both have come, and nothing leaves in plain text for a pod.
func (w *waiting) joining(t *testing.T) {
	n := w.joins
	n.StartDaemon(t)
	waitWaiting(t, n, "a pod CIDR: spec.podCIDRs of node "+n.Name+" has none")
	wantNoPod(t, n, "the node has no pod CIDR")
	w.wantClosed(t, n)

	w.StartControllers(t)
	waitWaiting(t, n, "the userspace device process: start `warren wireguard`")
	wantNoPod(t, n, "there is no device")
	w.wantClosed(t, n)
	if _, err := n.Exec("nft", "list", "chain", "inet", "warren", "guard-out"); err != nil {
		t.Errorf("the guard needs no device: %v", err)
	}

	n.StartDevice(t)
	n.WaitReady(t)
	w.WaitMeshed(t)
	pod := n.AddPod(t, "c")
	for _, own := range pod.Addrs() {
		path{from: pod.Host, to: w.remote.Host, target: w.remote.Addr(own), source: own}.check(t)
	}
	wantWaited(t, n.Log(), "for a pod CIDR", "for the userspace device process")
}

// wantClosed wants a host's packet to a pod address to be refused by its own routing.
func (w *waiting) wantClosed(t *testing.T, n *lab.Node) {
	t.Helper()
	for _, cidr := range w.ClusterCIDRs() {
		if out, err := n.Exec("ip", "route", "get", cidr.Addr().Next().String()); err == nil {
			t.Errorf("%s has a way to pods: %s", n.Name, out)
		}
	}
}

// unreachable starts a daemon while there is no API server.
func (w *waiting) unreachable(t *testing.T) {
	w.keeps(t, interruption{
		begin: w.StopAPI, waitsFor: "connection refused",
		end: w.StartAPI,
	})
}

// unguarded starts a daemon while there is no API server, after somebody has flushed the ruleset. The node is closed
// again before the API server is back.
func (w *waiting) unguarded(t *testing.T) {
	n := w.waits
	before := snapshot(t, n)
	n.StopDaemon(t)
	w.StopAPI(t)
	if out, err := n.Exec("nft", "flush", "ruleset"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	flows := w.talk(t)
	n.StartDaemon(t)
	lab.Wait(t, time.Minute, "a guard without the API server", func() error {
		if _, guarded := plainToPod(n); !guarded {
			return errors.New("there is none")
		}
		return nil
	})
	wantClosed(t, w.Lab)
	pass(t, flows, unattended)
	w.StartAPI(t)
	n.WaitReady(t)
	pass(t, flows, broken)
	wantUnchanged(t, n, before)
	wantNoLoss(t, flows)
}

// forbidden starts a daemon that the API server lets read nothing.
func (w *waiting) forbidden(t *testing.T) {
	binding := w.Kubectl(t, "", "get", "clusterrolebinding", "warren", "--output=yaml")
	w.keeps(t, interruption{
		begin: func(t lab.TB) {
			w.Kubectl(t, "", "delete", "clusterrolebinding", "warren")
			// The API server's authorizer watches bindings too: a daemon that lists before it knows keeps its watch.
			lab.Wait(t, time.Minute, "the right to be gone", func() error {
				out, _ := w.TryKubectl(t.Context(), "", "auth", "can-i", "list", "nodes",
					"--as=system:serviceaccount:kube-system:warren")
				if strings.TrimSpace(out) != "no" {
					return errors.New(out)
				}
				return nil
			})
		},
		waitsFor: "nodes is forbidden: User",
		end:      func(t lab.TB) { w.Kubectl(t, binding, "apply", "--filename=-") },
	})
}

// interruption takes something away from a daemon that starts, and gives it back.
type interruption struct {
	begin    func(lab.TB)
	waitsFor string
	end      func(lab.TB)
}

// keeps interrupts, and wants the daemon to adopt and keep what it finds, and nobody to lose a packet.
func (w *waiting) keeps(t *testing.T, i interruption) {
	t.Helper()
	n := w.waits
	before, logged := snapshot(t, n), len(n.Log())
	flows := w.talk(t)
	n.StopDaemon(t)
	i.begin(t)
	n.StartDaemon(t)
	waitWaiting(t, n, i.waitsFor)
	pass(t, flows, unattended)
	wantUnchanged(t, n, before)
	i.end(t)
	n.WaitReady(t)
	pass(t, flows, broken)
	wantUnchanged(t, n, before)
	wantWaited(t, n.Log()[logged:], i.waitsFor)
	wantNoLoss(t, flows)
}

// missing deletes the own Node of a daemon that runs. The other node's daemon is stopped meanwhile: for it the node is
// rightly gone.
func (w *waiting) missing(t *testing.T) {
	n := w.waits
	before, logged := snapshot(t, n), len(n.Log())
	flows := w.talk(t)
	w.remote.StopDaemon(t)
	cidrs := n.PodCIDRs(t)
	n.DeleteObject(t)
	waitWaiting(t, n, "the own Node object: the cluster has no Node named "+n.Name)
	pass(t, flows, unattended)
	wantUnchanged(t, n, before)
	if list := w.Kubectl(t, "", "get", "nodes", "--output=name"); strings.Contains(list, n.Name) {
		t.Errorf("somebody has made the Node anew:\n%s", list)
	}

	n.CreateObject(t, cidrs...)
	n.WaitReady(t)
	w.remote.StartDaemon(t)
	w.remote.WaitReady(t)
	pass(t, flows, broken)
	wantUnchanged(t, n, before)
	wantWaited(t, n.Log()[logged:], "for the own Node object")
	wantNoLoss(t, flows)
}

// wantWaited wants each reason to be logged once, and an end of the waiting.
func wantWaited(t *testing.T, log string, reasons ...string) {
	t.Helper()
	for _, reason := range reasons {
		said := 0
		for line := range strings.Lines(log) {
			if strings.Contains(line, " msg=waiting ") && strings.Contains(line, reason) {
				said++
			}
		}
		if said != 1 {
			t.Errorf("waiting %s is logged %d times, want 1, in:\n%s", reason, said, log)
		}
	}
	if !strings.Contains(log, ` msg="no longer waiting" `) {
		t.Errorf("no end of the waiting in:\n%s", log)
	}
}

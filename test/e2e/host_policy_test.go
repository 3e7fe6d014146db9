package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/status"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/traffic"
)

// isolated is a policy that lets nothing in to, nor out of, the pod with the label.
const isolated = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: %[1]s-isolated}
spec:
  podSelector: {matchLabels: {pod: %[1]s}}
  policyTypes: [%[2]s]
`

// letting is a policy that lets in to a pod, at the streams' and the flows' port, what comes from pods whose label has
// one of the values.
const letting = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: %[1]s-%[2]s}
spec:
  podSelector: {matchLabels: {pod: %[1]s}}
  ingress:
  - from: [{podSelector: {matchExpressions: [{key: %[3]s, operator: In, values: [%[4]s]}]}}]
    ports: [{port: 8085, protocol: TCP}, {port: 8085, protocol: UDP}, {port: 8089, protocol: UDP}]
`

func isolating(pod *lab.Pod, directions string) string {
	return fmt.Sprintf(isolated, pod.Object(), directions)
}

func lettingIn(pod *lab.Pod, name, key string, values ...string) string {
	return fmt.Sprintf(letting, pod.Object(), name, key, strings.Join(values, ", "))
}

// apply applies policies, one after the other, and waits after each until the node has written what it changes.
func apply(t *testing.T, l *lab.Lab, n *lab.Node, policies ...string) {
	t.Helper()
	for _, policy := range policies {
		committed(t, n, func() { l.Kubectl(t, policy, "apply", "--filename=-") })
	}
}

// withdraw deletes a policy and waits until the node has written that.
func withdraw(t *testing.T, l *lab.Lab, n *lab.Node, name string) {
	t.Helper()
	committed(t, n, func() { l.Kubectl(t, "", "delete", "networkpolicy", name) })
}

// committed waits until the node's tables of policies have been written because of a change. An edit is counted a
// little later than packets tell of it, so one that is under way is waited for first: it would be taken for the
// change's.
func committed(t *testing.T, n *lab.Node, change func()) {
	t.Helper()
	before := resting(t, n, func(status.Enforcement) error { return nil }).Edits
	change()
	resting(t, n, func(e status.Enforcement) error {
		if e.Edits == before {
			return fmt.Errorf("no edit after %d", before)
		}
		return nil
	})
}

// resting waits until no pass over the node's policies is under way and all is as wanted then.
func resting(t *testing.T, n *lab.Node, wanted func(status.Enforcement) error) (e status.Enforcement) {
	t.Helper()
	lab.Wait(t, time.Minute, "the policies of "+n.Name, func() error {
		s, err := toldStatus(t, n)
		if err != nil {
			return err
		}
		if e = s.Enforcement; !e.Began.IsZero() {
			return errors.New("a pass is under way")
		}
		return wanted(e)
	})
	return e
}

// forgetPolicies deletes all policies when the test ends, and waits until the node has none.
func forgetPolicies(t *testing.T, l *lab.Lab, n *lab.Node) {
	t.Helper()
	t.Cleanup(func() {
		if _, err := l.TryKubectl(context.Background(), "", "delete", "networkpolicy", "--all"); err != nil {
			t.Error(err)
		}
		resting(t, n, func(e status.Enforcement) error {
			if e.Policies > 0 {
				return fmt.Errorf("%d policies", e.Policies)
			}
			return nil
		})
	})
}

// testPoliciesChange has policies come and go above streams of one node and between nodes, some through a Service.
func testPoliciesChange(t *testing.T, h *hosts) {
	h.families(t, func(t *testing.T, like netip.Addr) {
		forgetPolicies(t, h.Lab, h.one)
		server, here, there := h.a, h.b.Object(), h.near.Object()
		both := lettingIn(server, "clients", "pod", here, there)
		apply(t, h.Lab, h.one, isolating(server, "Ingress"), both)

		station := newStation(t, server.Host)
		open := func(client *host.Host) (udp, all streams) {
			for _, to := range []netip.Addr{server.Addr(like), h.own.clusterAddr(h.Lab, like).Addr()} {
				udp = append(udp, station.start(t, client, "udp", netip.AddrPortFrom(to, streamPort)))
				all = append(all, station.start(t, client, "tcp", netip.AddrPortFrom(to, streamPort)))
			}
			return udp, append(all, udp...)
		}
		udpHere, allHere := open(h.b.Host)
		udpThere, allThere := open(h.near.Host)
		udp := append(udpHere[:2:2], udpThere...)

		t.Log("what is only added disturbs nothing")
		marks := udp.mark()
		apply(t, h.Lab, h.one, lettingIn(server, "more", "pod", "nobody"))
		var extra *lab.Pod
		committed(t, h.one, func() { extra = h.one.AddPod(t, "extra") })
		udp.wantAll(t, marks, 500)
		extra.Delete(t)

		t.Log("a policy that is narrowed")
		apply(t, h.Lab, h.one, lettingIn(server, "clients", "pod", there))
		marks, kept := allHere.mark(), udpThere.mark()
		allHere.wantNone(t, marks, 1000)
		udpThere.wantAll(t, kept, 1)

		t.Log("a policy that is withdrawn")
		withdraw(t, h.Lab, h.one, server.Object()+"-clients")
		all := append(allHere, allThere...)
		all.wantNone(t, all.mark(), 1000)

		t.Log("and made anew: connections go on")
		apply(t, h.Lab, h.one, both)
		all.wantBoth(t)
	})
}

// testIdentities lets pods in by a label, while addresses go from one pod to another.
func testIdentities(t *testing.T, h *hosts) {
	forgetPolicies(t, h.Lab, h.one)
	server := h.a
	apply(t, h.Lab, h.one, isolating(server, "Ingress"), lettingIn(server, "clients", "role", "client"))
	client := map[string]string{"role": "client"}

	for _, n := range []*lab.Node{h.one, h.two} {
		t.Run("completed on "+n.Name, func(t *testing.T) {
			job := n.StartPod(t, lab.PodOptions{Name: "job", Labels: client})
			flows := h.both(t, job.Host, server.Host)
			flows.WaitEstablished(t)
			committed(t, h.one, func() { job.Complete(t) })
			wantNoArrival(t, flows)
			job.Delete(t)
		})
	}
	t.Run("address used again", func(t *testing.T) {
		before := startLowest(t, h.two, lab.PodOptions{Name: "before", Labels: client})
		flows, addrs := h.both(t, before.Host, server.Host), before.Addrs()
		flows.WaitEstablished(t)
		flows.Stop()
		before.Detach(t) // the API server still has it with its addresses
		var after *lab.Pod
		committed(t, h.one, func() { after = startLowest(t, h.two, lab.PodOptions{Name: "after"}) })
		if fmt.Sprint(after.Addrs()) != fmt.Sprint(addrs) {
			t.Fatalf("the next pod has %v, want %v again", after.Addrs(), addrs)
		}
		flows = h.both(t, after.Host, server.Host)
		wantNoArrival(t, flows)
		before.DeleteObject(t)
		wantNoArrival(t, flows)
		after.Label(t, client)
		flows.WaitEstablished(t)
		flows.Stop()
		after.Delete(t)
	})
	t.Run("same name", func(t *testing.T) {
		o := lab.PodOptions{Name: "web", Object: "web-0", Labels: client}
		before := h.two.StartPod(t, o)
		flows := h.both(t, before.Host, server.Host)
		flows.WaitEstablished(t)
		flows.Stop()
		before.Delete(t)
		o.Labels = nil
		after := h.three.StartPod(t, o)
		flows = h.both(t, after.Host, server.Host)
		wantNoArrival(t, flows)
		flows.Stop()
		after.Delete(t)
	})
	t.Run("host network", func(t *testing.T) {
		o := lab.PodOptions{Name: "agent", Labels: client}
		agent := h.two.ScheduleOnHost(t, o)
		flows := h.both(t, h.two.Host, server.Host)
		wantNoArrival(t, flows)
		flows.Stop()
		agent.DeleteObject(t)
		pod := h.two.StartPod(t, o)
		flows = h.both(t, pod.Host, server.Host)
		flows.WaitEstablished(t)
		flows.Stop()
		pod.Delete(t)
	})
}

// both are flows of a thousand packets a second in both families.
func (h *hosts) both(t *testing.T, from, to *host.Host) (flows traffic.Flows) {
	t.Helper()
	for _, v6 := range []bool{false, true} {
		flows = append(flows, h.Flow(t, from, to, traffic.Options{Rate: 1000, IPv6: v6}))
	}
	return flows
}

// wantNoArrival fails the test if one of the next packets arrives.
func wantNoArrival(t *testing.T, flows traffic.Flows) {
	t.Helper()
	for _, f := range flows {
		f.Recount()
	}
	pass(t, flows, 1000)
	for _, f := range flows {
		if r := f.Report(); r.Received > 0 {
			t.Errorf("flow %v, want nothing to arrive", r)
		}
	}
}

// startLowest starts a pod with the first addresses that are free, as if all others had been given away since.
func startLowest(t *testing.T, n *lab.Node, o lab.PodOptions) *lab.Pod {
	t.Helper()
	n.MustExec(t, "sh", "-c", "rm -f /run/warren/ipam/warren/last_reserved_ip.*")
	return n.StartPod(t, o)
}

package e2e

import (
	"net/netip"
	"testing"
	"time"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/traffic"
)

// scene is a mesh of three nodes with two pods each.
type scene struct {
	*lab.Lab
	// capture has run since before the first daemon started; a single packet in plain text fails the test.
	capture *capture.Capture
	// pods are a and b of node1, then node2's and node3's.
	pods []*lab.Pod
}

func newScene(t *testing.T, o lab.Options, daemonArgs ...string) *scene {
	t.Helper()
	begin := time.Now()
	s := &scene{Lab: lab.Start(t, o)}
	s.capture = captured(t, s.Lab)
	s.StartMesh(t, daemonArgs...)
	for _, n := range s.Nodes() {
		s.pods = append(s.pods, n.AddPod(t, "a"), n.AddPod(t, "b"))
	}
	t.Logf("three nodes with two pods each after %v", time.Since(begin).Round(time.Millisecond))
	return s
}

// captured starts the capture of a lab whose daemons have not started yet, and shows that it sees what it should:
// without a mesh, what a node sends to a pod address leaves in plain text. When the test ends, plain text is injected.
func captured(t *testing.T, l *lab.Lab) *capture.Capture {
	t.Helper()
	c := l.CapturePlaintext(t)
	t.Cleanup(func() { wantClosed(t, l) })
	ranges := l.ClusterCIDRs()
	for _, r := range ranges {
		send(t, l.Node(1).Host, netip.AddrPortFrom(r.Addr().Next(), traffic.FlowPort))
	}
	lab.Wait(t, patience, "the capture to see a packet in plain text", func() error {
		return want("leaks", c.Report().Packets[capture.Leak], len(ranges))
	})
	c.Forget()
	return c
}

// crossing are flows of 200 packets a second in every family: between the first pods of all nodes, both ways, and
// around the nodes in a ring, from each node to the next one's first pod and from its second pod to the next node's
// address.
func (s *scene) crossing(t *testing.T) traffic.Flows {
	t.Helper()
	var first []*host.Host
	for i := range s.Nodes() {
		first = append(first, s.pods[2*i].Host)
	}
	flows := s.FlowsAmong(t, traffic.Options{}, first...)
	for i, n := range s.Nodes() {
		next := (i + 1) % len(first)
		for _, own := range n.Addrs() {
			o := traffic.Options{IPv6: own.Is6()}
			flows = append(flows, s.Flow(t, n.Host, first[next], o),
				s.Flow(t, s.pods[2*i+1].Host, s.Nodes()[next].Host, o))
		}
	}
	flows.WaitEstablished(t)
	return flows
}

// pass waits until each flow has sent so many more packets.
func pass(t *testing.T, flows traffic.Flows, packets int) {
	t.Helper()
	enough := make([]int, len(flows))
	for i, f := range flows {
		enough[i] = f.Report().Sent + packets
	}
	for i, f := range flows {
		lab.Wait(t, time.Minute, "packets to be sent",
			func() error { return want("packets", f.Report().Sent, enough[i]) })
	}
}

// wantNoLoss stops the flows and says how many packets that was judged by.
func wantNoLoss(t *testing.T, flows traffic.Flows) {
	t.Helper()
	var sent, lost int
	var gap time.Duration
	for _, r := range flows.Stop() {
		sent, lost, gap = sent+r.Sent, lost+r.Lost, max(gap, r.LongestGap)
	}
	t.Logf("%d flows: %d packets sent, %d lost, longest gap %v", len(flows), sent, lost, gap.Round(time.Millisecond))
	flows.WantNoLoss(t)
}

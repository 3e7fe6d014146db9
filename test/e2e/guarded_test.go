package e2e

import (
	"testing"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// guarded are flows to a pod that a policy isolates, a thousand packets a second each: from its own node and from
// another one, in both families.
type guarded struct{ let, refused traffic.Flows }

// guard starts them on node1 and node2, with pods of their own.
func (s *scene) guard(t *testing.T) guarded {
	t.Helper()
	one := s.Node(1)
	server := one.AddPod(t, "server")
	apply(t, s.Lab, one, isolating(server, "Ingress"), lettingIn(server, "friends", "role", "friend"))
	var g guarded
	for _, n := range []*lab.Node{one, s.Node(2)} {
		friend := n.StartPod(t, lab.PodOptions{Name: "friend", Labels: map[string]string{"role": "friend"}})
		stranger := n.AddPod(t, "stranger")
		for _, own := range server.Addrs() {
			o := traffic.Options{Rate: 1000, IPv6: own.Is6()}
			g.let = append(g.let, s.Flow(t, friend.Host, server.Host, o))
			g.refused = append(g.refused, s.Flow(t, stranger.Host, server.Host, o))
		}
	}
	g.let.WaitEstablished(t)
	return g
}

// wantRefused stops the flows that no policy lets through, and fails the test if a packet of one has ever arrived.
func (g guarded) wantRefused(t *testing.T) {
	t.Helper()
	sent := 0
	for _, r := range g.refused.Stop() {
		sent += r.Sent
		if r.Received > 0 || r.Sent == 0 {
			t.Errorf("flow %v, want nothing to arrive", r)
		}
	}
	t.Logf("%d packets that no policy lets through were sent", sent)
}

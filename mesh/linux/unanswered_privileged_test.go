package linux

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

// A device counts what goes to a peer that does not answer, so that each gets its announced endpoint, and the other one
// if that does not answer either.
func TestPrivilegedUnansweredPeers(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	m := newMachine(t)
	run(t, "ip link set lo up")
	want := m.small()
	before, after := make([]*net.UDPConn, 2), make([]*net.UDPConn, 2)
	for i, address := range []string{"127.0.0.1", "::1"} {
		before[i], after[i] = listen(t, address), listen(t, address)
		want.Peers[i].Endpoint = before[i].LocalAddr().(*net.UDPAddr).AddrPort()
	}
	// Of the first peer the device has learnt a false endpoint, the second announces two.
	if err := m.Apply(t.Context(), mesh.Diff(want, m.observe())); err != nil {
		t.Fatal(err)
	}
	want.Peers[0].Endpoint = after[0].LocalAddr().(*net.UDPAddr).AddrPort()
	want.Peers[1].Alternatives = []netip.AddrPort{after[1].LocalAddr().(*net.UDPAddr).AddrPort()}
	m.tend(want.Peers[:2])
	m.initiateHandshakes(want.Peers[:2])
	begin := time.Now()
	for i := range before {
		for _, endpoint := range []*net.UDPConn{before[i], after[i]} {
			if err := initiated(endpoint); err != nil {
				t.Errorf("at %v: %v", endpoint.LocalAddr(), err)
			}
		}
		t.Logf("%v is asked after %v", after[i].LocalAddr(), time.Since(begin).Round(100*time.Millisecond))
	}
}

func listen(t *testing.T, address string) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// tend does with each reading of the device what a daemon does, until the test ends.
func (m *machine) tend(peers []mesh.Peer) {
	var group sync.WaitGroup
	m.Cleanup(group.Wait)
	var answers mesh.Answers
	m.in(&group, func() {
		err := m.Watch(m.Context(), func() {}, func(statuses []mesh.PeerStatus) {
			var updates []mesh.PeerUpdate
			answers, updates = answers.Next(peers, statuses, time.Now())
			change := mesh.Change{Peers: mesh.PeerEdits{Update: updates}}
			if err := m.Apply(m.Context(), change); err != nil && m.Context().Err() == nil {
				m.Error(err)
			}
		})
		if err != nil {
			m.Error(err)
		}
	})
}

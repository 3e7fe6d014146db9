package linux

import (
	"net"
	"net/netip"
	"testing"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

// The endpoint of a peer that was kicked receives the first message of a handshake, although no packet was for the peer
// and no route leads to it.
func TestPrivilegedKick(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	endpoint, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IP(meshtest.UnderlayIPs[0].AsSlice())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = endpoint.Close() }()
	run(t, "ip link set lo up")
	want := m.small()
	want.Peers[0].Endpoint = endpoint.LocalAddr().(*net.UDPAddr).AddrPort()
	change := mesh.Diff(want, m.observe())
	change.Routes = mesh.Edits[mesh.Route]{}
	if err := m.Apply(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	m.Kick(t.Context(), []netip.Addr{mesh.Gateway(want.Peers[0].AllowedIPs[0])})
	message := make([]byte, 2000)
	n, _, err := endpoint.ReadFromUDPAddrPort(message)
	// WireGuard's handshake initiation: 148 bytes, the first of which is 1 (https://www.wireguard.com/protocol/).
	if err != nil || n != 148 || message[0] != 1 {
		t.Errorf("received %d bytes, the first %d: %v", n, message[0], err)
	}
}

// UnderlayMTU's interface is watched from then on.
func TestPrivilegedUnderlayChanges(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	if err := m.Apply(t.Context(), mesh.Diff(m.small(), m.observe())); err != nil {
		t.Fatal(err)
	}
	if _, err := m.UnderlayMTU(meshtest.UnderlayIPs); err != nil {
		t.Fatal(err)
	}
	poked := m.watch()
	run(t, "ip link set under0 mtu 1380")
	<-poked
	if got, err := m.UnderlayMTU(meshtest.UnderlayIPs); got != 1380 || err != nil {
		t.Errorf("MTU %d, %v; want 1380", got, err)
	}
}

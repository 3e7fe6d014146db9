package linux

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/tb"
)

// The endpoint of a new peer receives the first message of a handshake, although no packet was for the peer
// and no route leads to it.
func TestPrivilegedInitiateHandshakes(t *testing.T) {
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
	m.initiateHandshakes(want.Peers[:1])
	if err := endpoint.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := initiated(endpoint); err != nil {
		t.Error(err)
	}
}

// initiateHandshakes does so until the test ends.
func (m *machine) initiateHandshakes(peers []mesh.Peer) {
	var group sync.WaitGroup
	m.Cleanup(group.Wait)
	m.in(&group, func() { m.InitiateHandshakes(m.Context(), peers) })
}

// UnderlayMTU's interface is watched from then on.
func TestPrivilegedUnderlayChanges(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	if err := m.Apply(t.Context(), mesh.Diff(m.small(), m.observe())); err != nil {
		t.Fatal(err)
	}
	if _, err := m.UnderlayMTU(meshtest.UnderlayIPs, nil); err != nil {
		t.Fatal(err)
	}
	poked := m.watch()
	run(t, "ip link set under0 mtu 1380")
	<-poked
	if got, err := m.UnderlayMTU(meshtest.UnderlayIPs, nil); got != 1380 || err != nil {
		t.Errorf("MTU %d, %v; want 1380", got, err)
	}
}

// crowd are many peers, each of which waits to be asked for a handshake.
type crowd struct {
	peers     []mesh.Peer
	endpoints []*net.UDPConn
	// asked gives a value for each peer that was.
	asked chan error
}

func newCrowd(t *testing.T, size int) *crowd {
	t.Helper()
	c := &crowd{asked: make(chan error, size)}
	for i, n := range others(size) {
		// Not any port: the device's would be among them at times.
		endpoint, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 20000 + i})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = endpoint.Close() })
		at := endpoint.LocalAddr().(*net.UDPAddr).AddrPort()
		c.peers = append(c.peers, mesh.Peer{PublicKey: n.PublicKey, Endpoint: at, AllowedIPs: n.PodCIDRs})
		c.endpoints = append(c.endpoints, endpoint)
		go func() { c.asked <- initiated(endpoint) }()
	}
	return c
}

// awaitAsked waits until each peer was asked, for tb.Bound of a minute at most from now on.
func (c *crowd) awaitAsked(t *testing.T) {
	t.Helper()
	for _, endpoint := range c.endpoints {
		if err := endpoint.SetReadDeadline(time.Now().Add(tb.Bound(time.Minute))); err != nil {
			t.Fatal(err)
		}
	}
	for range c.peers {
		if err := <-c.asked; err != nil {
			t.Error(err)
		}
	}
}

// initiated waits for WireGuard's handshake initiation: 148 bytes, the first of which is 1
// (https://www.wireguard.com/protocol/).
func initiated(endpoint *net.UDPConn) error {
	message := make([]byte, 2000)
	n, _, err := endpoint.ReadFromUDPAddrPort(message)
	if err == nil && (n != 148 || message[0] != 1) {
		err = fmt.Errorf("received %d bytes, the first %d", n, message[0])
	}
	return err
}

// A fresh device of a large mesh asks every peer for a handshake: nobody has to send before, or to wait until it
// notices that its session has ended.
func TestPrivilegedInitiateHandshakesMany(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	m := newMachine(t)
	run(t, "ip link set lo up")
	c := newCrowd(t, 1000)
	want := m.small()
	want.Peers = c.peers
	if err := m.Apply(t.Context(), mesh.Diff(want, m.observe())); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	m.initiateHandshakes(c.peers)
	c.awaitAsked(t)
	t.Logf("all of %d peers were asked after %v", len(c.peers), time.Since(begin).Round(time.Millisecond))
}

// A device that has no processor for a while, as on a host that boots, loses what its interface's queue does not hold.
// Its peers are asked all the same.
func TestPrivilegedInitiateHandshakesWhileBusy(t *testing.T) {
	meshtest.Privileged(t)
	m := newBareMachine(t, Userspace)
	process := startDevice(t, m.cfg.Link)
	run(t, "ip link set lo up")
	c := newCrowd(t, 700)
	want := m.small()
	want.Peers = c.peers
	if err := m.Apply(t.Context(), mesh.Diff(want, m.observe())); err != nil {
		t.Fatal(err)
	}
	process.signal(syscall.SIGSTOP)
	m.initiateHandshakes(c.peers)
	for m.dropped() == 0 && t.Context().Err() == nil {
		runtime.Gosched()
	}
	process.signal(syscall.SIGCONT)
	c.awaitAsked(t)
}

// dropped are the packets that the interface's queue did not hold.
func (m *machine) dropped() uint64 {
	m.Helper()
	link, err := m.conn.Find(m.cfg.Link)
	if err != nil || link == nil {
		m.Fatalf("look at %s: %v", m.cfg.Link, err)
	}
	return link.Attrs().Statistics.TxDropped
}

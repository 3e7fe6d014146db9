package linux

import (
	"net/netip"
	"testing"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

// meshOf is a machine with two peers in it, and a sender to an address of the prefix moving.
func meshOf(t *testing.T, peers func(a, b *remote) []mesh.Peer, moving netip.Addr) (m *machine, a, b *remote,
	n *numbered) {
	t.Helper()
	m = newMachine(t)
	run(t, "ip link set lo up")
	a, b = m.newRemote("a", 51821), m.newRemote("b", 51822)
	want := m.small()
	want.Peers = peers(a, b)
	if err := m.Apply(t.Context(), mesh.Diff(want, m.observe())); err != nil {
		t.Fatal(err)
	}
	n = newNumbered(t, moving)
	if err := n.next(a, b); err != nil {
		t.Fatal(err)
	}
	return m, a, b, n
}

// peersAre applies what makes one list of peers into another, as the agent does.
func (m *machine) peersAre(want, have []mesh.Peer) {
	m.Helper()
	c := mesh.Diff(mesh.State{Peers: want}, mesh.State{Peers: have})
	if err := m.Apply(m.Context(), c); err != nil {
		m.Error(err)
	}
}

const rounds = 20

// An allowed IP that a peer keeps is never nobody's while others of the same peer come and go; there are many, so that
// a device that takes all of them away and puts them back needs a while for it.
func TestPrivilegedAllowedIPsStay(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	stays := netip.MustParsePrefix("10.244.2.0/24")
	many := []netip.Prefix{}
	for i := range 4000 {
		many = append(many, netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 32))
	}
	all := append(many, stays)
	var less, more []mesh.Peer
	m, a, b, n := meshOf(t, func(a, b *remote) []mesh.Peer {
		more = []mesh.Peer{a.peer(all...), b.peer()}
		less = []mesh.Peer{a.peer(all[1:]...), b.peer()}
		return more
	}, stays.Addr().Next())
	n.during(t, a, b, func() {
		for range rounds {
			m.peersAre(less, more)
			m.peersAre(more, less)
		}
	})
	if got := m.observe().Peers; len(got) != 2 {
		t.Errorf("%d peers, want 2", len(got))
	}
}

// An allowed IP that moves from one peer to another is always one's: packets to it arrive, and those from it are taken
// from the one who has it and from nobody else.
func TestPrivilegedAllowedIPsMove(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	x, y := netip.MustParsePrefix("10.244.2.0/24"), netip.MustParsePrefix("10.244.3.0/24")
	var here, there []mesh.Peer
	m, a, b, n := meshOf(t, func(a, b *remote) []mesh.Peer {
		here = []mesh.Peer{a.peer(x), b.peer(y)}
		there = []mesh.Peer{a.peer(y), b.peer(x)}
		return here
	}, x.Addr().Next())
	gateway := mesh.Gateway(self(m.cfg.Key().Public()).PodCIDRs[0])
	// The packets that are numbered go to another address.
	of := func(p netip.Prefix) netip.Addr { return p.Addr().Next().Next() }
	for range rounds {
		n.during(t, a, b, func() { m.peersAre(there, here) })
		if (stray{by: a, from: of(x).Next(), own: of(y), owner: b, owners: of(x)}).answered(t, gateway) {
			t.Fatal("the machine takes packets from the peer that had the address before")
		}
		n.during(t, a, b, func() { m.peersAre(here, there) })
		if (stray{by: b, from: of(x).Next(), own: of(y), owner: a, owners: of(x)}).answered(t, gateway) {
			t.Fatal("the machine takes packets from the peer that had the address before")
		}
	}
}

// What is taken from a peer and given to nobody is not accepted from it any more, and the peer that takes it away is
// gone again.
func TestPrivilegedAllowedIPsWithdrawn(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	x, y := netip.MustParsePrefix("10.244.2.0/24"), netip.MustParsePrefix("10.244.3.0/24")
	var with, without []mesh.Peer
	m, a, _, _ := meshOf(t, func(a, b *remote) []mesh.Peer {
		with = []mesh.Peer{a.peer(x, y), b.peer()}
		without = []mesh.Peer{a.peer(x), b.peer()}
		return with
	}, x.Addr().Next())
	m.peersAre(without, with)
	if diff := mesh.Diff(mesh.State{Peers: without}, mesh.State{Peers: m.observe().Peers}); !diff.Empty() {
		t.Errorf("left to do: %v", diff.Lines())
	}
	gateway := mesh.Gateway(self(m.cfg.Key().Public()).PodCIDRs[0])
	if (stray{by: a, from: y.Addr().Next(), own: x.Addr().Next(), owner: a, owners: x.Addr().Next().Next()}).answered(t,
		gateway) {
		t.Error("the machine takes packets from an address that is no peer's")
	}
}

// Setting what a device has leaves its sessions alone: no packet is lost, and no handshake made.
func TestPrivilegedSessionsOutliveTheirDevicesSetting(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	moving := netip.MustParsePrefix("10.244.2.0/24")
	m, a, b, n := meshOf(t, func(a, b *remote) []mesh.Peer { return []mesh.Peer{a.peer(moving), b.peer()} },
		moving.Addr().Next())
	before := m.observation()
	again := mesh.Change{Device: &before.Device}
	n.during(t, a, b, func() {
		for range rounds {
			if err := m.Apply(t.Context(), again); err != nil {
				t.Error(err)
			}
		}
	})
	for i, p := range m.observation().Statuses {
		if was := before.Statuses[i]; !p.LastHandshake.Equal(was.LastHandshake) {
			t.Errorf("%s: a handshake at %v, and another at %v", p.PublicKey, was.LastHandshake, p.LastHandshake)
		}
	}
}

// Peers that go are no matter for those that stay, though the kernel takes its time for each: it waits until no
// processor handles a packet by it any more.
func TestPrivilegedRemoveManyPeers(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	stays := netip.MustParsePrefix("10.244.2.0/24")
	const many = 100
	var less, more []mesh.Peer
	m, a, b, n := meshOf(t, func(a, b *remote) []mesh.Peer {
		less = []mesh.Peer{a.peer(stays), b.peer()}
		more = append(less[:2:2], newCrowd(t, many).peers[1:]...)
		return more
	}, stays.Addr().Next())
	n.during(t, a, b, func() {
		begin := time.Now()
		m.peersAre(less, more)
		t.Logf("%d peers were removed in %v", len(more)-len(less), time.Since(begin).Round(time.Millisecond))
	})
	if got := m.observe().Peers; len(got) != len(less) {
		t.Errorf("%d peers, want %d", len(got), len(less))
	}
}

package linux

import (
	"net/netip"
	"strings"
	"testing"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

// The mesh's MTU is that of the way out to the peers, wherever the host has its own addresses.
func TestPrivilegedUnderlayMTU(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	if err := m.Apply(t.Context(), mesh.Diff(m.small(), m.observe())); err != nil {
		t.Fatal(err)
	}
	(&meddler{machine: m}).AddBridge(1300)
	own := meshtest.UnderlayIPs
	peers := []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")}
	far := netip.MustParseAddr("198.51.100.2")
	run(t, `ip link set lo up
ip addr flush dev under0
ip addr add 192.0.2.101/24 dev under0
ip addr add 2001:db8::101/64 dev under0 nodad`)
	for _, step := range []struct {
		name, change string
		peers        []netip.Addr
		want         int
		fails        string
	}{
		{name: "on no interface, alone", fails: "no interface has any of the addresses"},
		{name: "on no interface", peers: peers, want: 1400},
		{name: "on no interface, alone, with a default route", want: 1400,
			change: "ip route add default via 192.0.2.254"},
		{name: "the same in IPv6", want: 1400,
			change: "ip route delete default\nip -6 route add default via 2001:db8::fe"},
		{name: "on lo", change: "ip addr add 192.0.2.1/32 dev lo\nip addr add 2001:db8::1/128 dev lo", peers: peers,
			want: 1400},
		{name: "on lo, alone", want: 1400},
		{name: "the peer is this host", peers: own[:1], want: 1400},
		{name: "another way with less", peers: append(peers, far), want: 1380, change: `
ip link add vpn0 mtu 1380 type veth peer name vpn1
ip link set vpn0 up
ip link set vpn1 up
ip route add 198.51.100.0/24 dev vpn0`},
		{name: "without peers there", peers: peers, want: 1400},
		{name: "too little for IPv6, and not the only way", peers: append(peers, far), want: 1400,
			change: "ip link set vpn0 mtu 1350"},
		{name: "the only way", peers: []netip.Addr{far}, want: 1350},
		{name: "endpoints inside the mesh", peers: append(peers, far), want: 1400,
			change: "ip route replace 198.51.100.0/24 dev " + m.cfg.Bridge},
		{name: "a peer out of reach", change: "ip route replace unreachable 198.51.100.0/24", peers: append(peers, far),
			want: 1400},
	} {
		if step.change != "" {
			run(t, strings.TrimSpace(step.change))
		}
		got, err := m.UnderlayMTU(own, step.peers)
		if got != step.want || (err != nil) != (step.fails != "") ||
			err != nil && !strings.Contains(err.Error(), step.fails) {
			t.Errorf("%s: %d bytes, %v; want %d", step.name, got, err, step.want)
		}
	}
}

// A change of any way's MTU pokes: once it is lowered, the mesh's MTU is that one's.
func TestPrivilegedUnderlayMTUPokes(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	run(t, `ip link add vpn0 mtu 1400 type veth peer name vpn1
ip link set vpn0 up
ip link set vpn1 up
ip route add 198.51.100.0/24 dev vpn0`)
	m.converge()
	m.converge() // Now that what the first time made is observed.
	peers := []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("198.51.100.2")}
	pokes := m.watch()
	for i, step := range []struct {
		change string
		want   int
	}{
		{"", 1400}, {"ip link set vpn0 mtu 1390", 1390}, {"ip link set under0 mtu 1380", 1380},
		{"ip link set vpn0 mtu 1370", 1370}, {"ip link set under0 mtu 1360", 1360},
	} {
		if i > 0 {
			run(t, step.change)
			<-pokes
		}
		if got, err := m.UnderlayMTU(meshtest.UnderlayIPs, peers); got != step.want || err != nil {
			t.Errorf("after %q: %d bytes, %v; want %d", step.change, got, err, step.want)
		}
	}
}

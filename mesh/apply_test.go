package mesh_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// TestApply takes random states to random others, by what Diff says.
func TestApply(t *testing.T) {
	random := rand.New(rand.NewPCG(21, 22))
	for i := range 2000 {
		have, want := randomState(random), randomState(random)
		before := clone(have)
		if diff := cmp.Diff(want, have.Apply(mesh.Diff(want, have)), compareNetip, equateEmpty); diff != "" {
			t.Fatalf("step %d (-want +got):\n%s", i, diff)
		}
		if diff := cmp.Diff(before, have, compareNetip); diff != "" {
			t.Fatalf("step %d: Apply changed its receiver (-before +after):\n%s", i, diff)
		}
	}
}

// TestApplyWithoutRemovals: everything that was there is there afterwards, or something in its place.
func TestApplyWithoutRemovals(t *testing.T) {
	random := rand.New(rand.NewPCG(23, 24))
	for i := range 2000 {
		have, want := randomState(random), randomState(random)
		got := have.Apply(mesh.Diff(want, have).WithoutRemovals())
		before, after := items(have), items(got)
		if got.Firewall.String() == want.Firewall.String() && have.Firewall.Port != want.Firewall.Port {
			// The table is replaced as a whole.
			before["node IP"], after["node IP"] = nil, nil
		}
		for kind, all := range before {
			for _, item := range all {
				if !slices.Contains(after[kind], item) {
					t.Fatalf("step %d: %s %s was removed", i, kind, item)
				}
			}
		}
		wanted := have.Apply(mesh.Diff(want, have))
		for kind, all := range items(wanted) {
			for _, item := range all {
				if !slices.Contains(items(got)[kind], item) {
					t.Fatalf("step %d: %s %s was not added", i, kind, item)
				}
			}
		}
	}
}

// items is what a state consists of, by kind; what is replaced in place counts by what identifies it.
func items(s mesh.State) map[string][]string {
	all := map[string][]string{}
	add := func(kind string, values ...any) {
		for _, value := range values {
			all[kind] = append(all[kind], fmt.Sprint(value))
		}
	}
	for _, p := range s.Peers {
		add("peer", p.PublicKey)
		for _, ip := range p.AllowedIPs {
			add("allowed IP", ip)
		}
	}
	for _, r := range s.Routes {
		add("route", r.Key())
	}
	for _, r := range s.Rules {
		add("rule", r)
	}
	for _, p := range slices.Concat(s.Link.Addresses, s.Bridge.Addresses) {
		add("address", p)
	}
	for _, ip := range s.Firewall.NodeIPs {
		add("node IP", ip)
	}
	return all
}

// TestApplyOneByOne has cases that Diff does not make.
func TestApplyOneByOne(t *testing.T) {
	a, b := netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("10.0.2.0/24")
	endpoint := netip.MustParseAddrPort("192.0.2.1:51820")
	have := mesh.State{Peers: []mesh.Peer{
		{PublicKey: keys.Public{1}, Endpoint: endpoint, AllowedIPs: []netip.Prefix{a}},
		{PublicKey: keys.Public{2}, AllowedIPs: []netip.Prefix{b}},
	}}
	interval := time.Second
	absent := mesh.PeerEdits{Update: []mesh.PeerUpdate{{PublicKey: keys.Public{3}, Keepalive: &interval}}}
	again := mesh.PeerEdits{Add: []mesh.Peer{{PublicKey: keys.Public{1}, AllowedIPs: []netip.Prefix{b}}}}
	none := mesh.Change{
		Routes: mesh.Edits[mesh.Route]{Remove: []mesh.Route{{}}},
		Peers:  mesh.PeerEdits{Remove: []mesh.Peer{{}}},
	}
	address := mesh.Edits[netip.Prefix]{Add: []netip.Prefix{a}}
	nodeIP := mesh.Edits[netip.Addr]{Add: []netip.Addr{endpoint.Addr()}}
	for name, tt := range map[string]struct {
		change mesh.Change
		want   mesh.State
	}{
		"nothing":                       {want: have},
		"what is absent is removed":     {none, have},
		"an update of an absent peer":   {mesh.Change{Peers: absent}, have},
		"addresses of an absent bridge": {mesh.Change{BridgeMTU: 1, BridgeAddresses: address}, have},
		"addresses of an absent link":   {mesh.Change{Addresses: address}, have},
		"node IPs of an absent table":   {mesh.Change{NodeIPs: nodeIP}, have},
		"a peer that is there is added": {mesh.Change{Peers: again}, mesh.State{Peers: []mesh.Peer{
			{PublicKey: keys.Public{1}, Endpoint: endpoint, AllowedIPs: []netip.Prefix{b}},
			{PublicKey: keys.Public{2}},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, have.Apply(tt.change), compareNetip, equateEmpty); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
		})
	}
}

// randomState is a state with a part of everything, all of it from so few values that any two states have much in
// common.
func randomState(random *rand.Rand) mesh.State {
	number := func(n int) byte { return byte(1 + random.IntN(n)) }
	addr := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, i}) }
	s := mesh.State{
		Link:     mesh.Link{Name: "warren0", MTU: int(number(3)), Up: true},
		Bridge:   mesh.Bridge{Name: "warren-br0", MTU: int(number(3))},
		Device:   mesh.Device{PublicKey: keys.Public{number(2)}, Port: uint16(number(2))},
		Firewall: mesh.Firewall{Link: "warren0", Port: uint16(number(2))},
		Sysctls:  []mesh.Sysctl{{Name: "a", Value: fmt.Sprint(number(2))}, {Name: "b", Value: fmt.Sprint(number(2))}},
	}
	owner := random.Perm(10)
	for i := range byte(10) {
		if random.IntN(2) == 0 {
			continue
		}
		prefix := netip.PrefixFrom(addr(i), 32)
		s.Link.Addresses = append(s.Link.Addresses, prefix)
		s.Bridge.Addresses = append(s.Bridge.Addresses, prefix)
		s.Firewall.NodeIPs = append(s.Firewall.NodeIPs, addr(i))
		s.Routes = append(s.Routes, mesh.Route{
			Table: uint32(number(2)), Destination: prefix, Source: addr(number(2)), Metric: uint32(number(2)),
		})
		s.Rules = append(s.Rules, mesh.Rule{Mark: uint32(i), Mask: 1, Table: uint32(number(2))})
		s.Peers = append(s.Peers, mesh.Peer{
			PublicKey: keys.Public{i},
			Node:      fmt.Sprint("n", number(2)),
			Endpoint:  netip.AddrPortFrom(addr(number(2)), 1),
			Keepalive: time.Duration(number(2)),
			AllowedIPs: []netip.Prefix{
				netip.PrefixFrom(addr(byte(owner[i])), 32), netip.PrefixFrom(addr(byte(owner[i]+10)), 32),
			},
		})
	}
	s.Sort()
	return s
}

// clone shares nothing that is edited with s.
func clone(s mesh.State) mesh.State {
	s.Link.Addresses, s.Bridge.Addresses = slices.Clone(s.Link.Addresses), slices.Clone(s.Bridge.Addresses)
	s.Routes, s.Rules, s.Sysctls = slices.Clone(s.Routes), slices.Clone(s.Rules), slices.Clone(s.Sysctls)
	s.Firewall.NodeIPs = slices.Clone(s.Firewall.NodeIPs)
	s.Peers = slices.Clone(s.Peers)
	for i := range s.Peers {
		s.Peers[i].AllowedIPs = slices.Clone(s.Peers[i].AllowedIPs)
	}
	return s
}

// BenchmarkApply5000 adds one node to a mesh of 5,000, and removes it.
func BenchmarkApply5000(b *testing.B) {
	cfg := config("10.0.0.0/8", "fd00:10:244::/48")
	nodes := numbers(5001)
	less, _, _ := mesh.Desired(cfg, selfOf(nodes[0]), nodes[:5000])
	more, _, _ := mesh.Desired(cfg, selfOf(nodes[0]), nodes)
	join, leave := mesh.Diff(more, less), mesh.Diff(less, more)
	for b.Loop() {
		if got := less.Apply(join).Apply(leave); len(got.Peers) != len(less.Peers) {
			b.Fatalf("%d peers", len(got.Peers))
		}
	}
}

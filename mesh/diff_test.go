package mesh_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// desired is Desired where that is not what is tested.
func desired(t *testing.T, cfg mesh.Config, self mesh.Node, nodes []mesh.Node) mesh.State {
	t.Helper()
	state, _, err := mesh.Desired(cfg, selfOf(self), nodes)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// apply is a small model of a host: routes replace those of the same identity, allowed IPs move.
func apply(c mesh.Change, s mesh.State) mesh.State {
	s.Link.Addresses = edited(s.Link.Addresses, c.Addresses)
	if c.Link != nil {
		s.Link.Name, s.Link.MTU, s.Link.Up = c.Link.Name, c.Link.MTU, c.Link.Up
	}
	s.Bridge.Addresses = edited(s.Bridge.Addresses, c.BridgeAddresses)
	if c.BridgeMTU != 0 {
		s.Bridge.MTU = c.BridgeMTU
	}
	if c.Device != nil {
		s.Device = *c.Device
	}
	s.Firewall.NodeIPs = edited(s.Firewall.NodeIPs, c.NodeIPs)
	if c.Firewall != nil {
		s.Firewall = *c.Firewall
	}
	for _, added := range c.Routes.Add {
		s.Routes = slices.DeleteFunc(slices.Clone(s.Routes), func(r mesh.Route) bool {
			return r.Table == added.Table && r.Destination == added.Destination && r.Metric == added.Metric
		})
	}
	s.Routes = edited(s.Routes, c.Routes)
	s.Rules = edited(s.Rules, c.Rules)
	for _, sysctl := range c.Sysctls {
		s.Sysctls = slices.DeleteFunc(slices.Clone(s.Sysctls), func(old mesh.Sysctl) bool { return old.Name == sysctl.Name })
		s.Sysctls = append(s.Sysctls, sysctl)
	}
	s.Peers = applyPeers(c.Peers, s.Peers)
	s.Sort()
	return s
}

func edited[T comparable](list []T, e mesh.Edits[T]) []T {
	list = slices.Concat(list, e.Add)
	return slices.DeleteFunc(list, func(value T) bool { return slices.Contains(e.Remove, value) })
}

// applyPeers does as WireGuard does, one edit after another.
func applyPeers(e mesh.PeerEdits, list []mesh.Peer) []mesh.Peer {
	peers := map[keys.Public]mesh.Peer{}
	for _, p := range list {
		peers[p.PublicKey] = p
	}
	give := func(to keys.Public, ips []netip.Prefix) {
		for k, p := range peers {
			p.AllowedIPs = slices.DeleteFunc(slices.Clone(p.AllowedIPs), func(ip netip.Prefix) bool { return k == to || slices.Contains(ips, ip) })
			peers[k] = p
		}
		p := peers[to]
		p.AllowedIPs = slices.Clone(ips)
		peers[to] = p
	}
	for _, p := range e.Add {
		peers[p.PublicKey] = p
		give(p.PublicKey, p.AllowedIPs)
	}
	for _, u := range e.Update {
		p := peers[u.PublicKey]
		p.Node = u.Node
		if u.Endpoint != nil {
			p.Endpoint = *u.Endpoint
		}
		if u.Keepalive != nil {
			p.Keepalive = *u.Keepalive
		}
		peers[u.PublicKey] = p
		if u.AllowedIPs != nil {
			give(u.PublicKey, u.AllowedIPs)
		}
	}
	for _, p := range e.Remove {
		delete(peers, p.PublicKey)
	}
	list = nil
	for _, p := range peers {
		list = append(list, p)
	}
	return list
}

// TestDiffConverges takes a host from one mesh to the next, at random.
func TestDiffConverges(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	have := mesh.State{Bridge: mesh.Bridge{Name: "warren-br0"}}
	for i := range 300 {
		cfg := config()
		if random.IntN(4) == 0 {
			cfg = config("10.0.0.0/15", "10.156.0.0/15", "fd00:10:244::/48")
			cfg.MTU = 1280 + random.IntN(3)
			cfg.NodeCIDRs = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}
		}
		want := desired(t, cfg, number(40_000+random.IntN(2)), quarrel(random, 12))
		change := mesh.Diff(want, have)
		got := apply(change, have)
		if diff := cmp.Diff(unnamed(want), unnamed(got), compareNetip, equateEmpty); diff != "" {
			t.Fatalf("step %d (-want +got):\n%s", i, diff)
		}
		if again := mesh.Diff(want, got); !again.Empty() {
			t.Fatalf("step %d: a second Diff is not empty:\n%s", i, text(again.Lines()))
		}
		have = got
	}
}

// unnamed is the state without what is never compared.
func unnamed(s mesh.State) mesh.State {
	s.Peers = slices.Clone(s.Peers)
	for i := range s.Peers {
		s.Peers[i].Node = ""
	}
	return s
}

func TestDiffOfNothing(t *testing.T) {
	state := desired(t, config(), number(1), numbers(5))
	if c := mesh.Diff(state, state); !c.Empty() || len(c.Lines()) > 0 {
		t.Errorf("Diff of a state with itself:\n%s", text(c.Lines()))
	}
	if c := mesh.Diff(mesh.State{}, mesh.State{}); !c.Empty() {
		t.Errorf("Diff of no state with no state:\n%s", text(c.Lines()))
	}
	if c := mesh.Diff(state, mesh.State{}); c.Empty() {
		t.Error("Diff of a state with none is empty")
	}
}

// TestEmpty sets each field of a Change that can be set.
func TestEmpty(t *testing.T) {
	for name, c := range map[string]mesh.Change{
		"sysctls":          {Sysctls: []mesh.Sysctl{{}}},
		"firewall":         {Firewall: &mesh.Firewall{}},
		"node IP added":    {NodeIPs: mesh.Edits[netip.Addr]{Add: []netip.Addr{{}}}},
		"node IP removed":  {NodeIPs: mesh.Edits[netip.Addr]{Remove: []netip.Addr{{}}}},
		"link":             {Link: &mesh.Link{}},
		"address":          {Addresses: mesh.Edits[netip.Prefix]{Add: []netip.Prefix{{}}}},
		"bridge's MTU":     {BridgeMTU: 1},
		"bridge's address": {BridgeAddresses: mesh.Edits[netip.Prefix]{Remove: []netip.Prefix{{}}}},
		"device":           {Device: &mesh.Device{}},
		"peer added":       {Peers: mesh.PeerEdits{Add: []mesh.Peer{{}}}},
		"peer updated":     {Peers: mesh.PeerEdits{Update: []mesh.PeerUpdate{{}}}},
		"peer removed":     {Peers: mesh.PeerEdits{Remove: []mesh.Peer{{}}}},
		"route":            {Routes: mesh.Edits[mesh.Route]{Add: []mesh.Route{{}}}},
		"rule":             {Rules: mesh.Edits[mesh.Rule]{Remove: []mesh.Rule{{}}}},
	} {
		if c.Empty() {
			t.Errorf("a change with nothing but %s is empty", name)
		}
		if len(c.Lines()) != 1 {
			t.Errorf("%s: %d lines, want 1", name, len(c.Lines()))
		}
	}
}

// TestDiffBridge: the bridge is the CNI plugin's to create.
func TestDiffBridge(t *testing.T) {
	want := desired(t, config(), number(1), nil)
	have := want
	have.Bridge = mesh.Bridge{}
	if c := mesh.Diff(want, have); !c.Empty() {
		t.Errorf("an absent bridge is to be changed:\n%s", text(c.Lines()))
	}
	have.Bridge = mesh.Bridge{Name: "warren-br0", MTU: 1500, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.9.1/24"), want.Bridge.Addresses[1]}}
	got := mesh.Diff(want, have)
	wantChange := mesh.Change{BridgeMTU: 1420, BridgeAddresses: mesh.Edits[netip.Prefix]{Add: want.Bridge.Addresses[:1], Remove: have.Bridge.Addresses[:1]}}
	if diff := cmp.Diff(wantChange, got, compareNetip); diff != "" {
		t.Errorf("change of the bridge (-want +got):\n%s", diff)
	}
}

// TestDiffRouteReplaced: removing the old one of two routes with one identity would remove the new one.
func TestDiffRouteReplaced(t *testing.T) {
	want := desired(t, config(), number(1), numbers(2))
	have := want
	have.Routes = slices.Clone(want.Routes)
	i := slices.IndexFunc(have.Routes, func(r mesh.Route) bool { return r.Source.IsValid() })
	have.Routes[i].Source = netip.Addr{}
	if diff := cmp.Diff(mesh.Change{Routes: mesh.Edits[mesh.Route]{Add: want.Routes[i : i+1]}}, mesh.Diff(want, have), compareNetip, equateEmpty); diff != "" {
		t.Errorf("change of a route's source (-want +got):\n%s", diff)
	}
}

// TestAllowedIPsMove checks at every step that an allowed IP that somebody had and somebody is to have is never nobody's.
func TestAllowedIPsMove(t *testing.T) {
	peer := func(name string, ips ...string) mesh.Peer {
		p := mesh.Peer{PublicKey: key(name), Node: name}
		for _, ip := range ips {
			p.AllowedIPs = append(p.AllowedIPs, netip.MustParsePrefix(ip))
		}
		return p
	}
	const x, y = "10.0.1.0/24", "192.0.2.1/32"
	for name, tt := range map[string]struct{ have, want []mesh.Peer }{
		"to a new peer from one that goes":  {[]mesh.Peer{peer("a", x, y)}, []mesh.Peer{peer("b", x, y)}},
		"to a new peer from one that stays": {[]mesh.Peer{peer("a", x, y)}, []mesh.Peer{peer("a", y), peer("b", x)}},
		"to an old peer, giver first":       {[]mesh.Peer{peer("a", x, y), peer("b")}, []mesh.Peer{peer("a", y), peer("b", x)}},
		"to an old peer, taker first":       {[]mesh.Peer{peer("a", x), peer("b", y)}, []mesh.Peer{peer("a", x, y), peer("b")}},
	} {
		t.Run(name, func(t *testing.T) {
			edits := mesh.Diff(mesh.State{Peers: tt.want}, mesh.State{Peers: tt.have}).Peers
			for _, step := range prefixesOf(edits) {
				owned := map[netip.Prefix]bool{}
				for _, p := range applyPeers(step, tt.have) {
					for _, ip := range p.AllowedIPs {
						owned[ip] = true
					}
				}
				if !owned[netip.MustParsePrefix(x)] || !owned[netip.MustParsePrefix(y)] {
					t.Errorf("after %+v owned are only %v", step, owned)
				}
			}
		})
	}
}

// prefixesOf are the edits cut short after each step.
func prefixesOf(e mesh.PeerEdits) []mesh.PeerEdits {
	var all []mesh.PeerEdits
	for i := range e.Add {
		all = append(all, mesh.PeerEdits{Add: e.Add[:i+1]})
	}
	for i := range e.Update {
		all = append(all, mesh.PeerEdits{Add: e.Add, Update: e.Update[:i+1]})
	}
	return append(all, e)
}

func TestDiffEndpoint(t *testing.T) {
	announced, learnt := netip.MustParseAddrPort("192.0.2.1:51820"), netip.MustParseAddrPort("198.51.100.1:4000")
	for name, tt := range map[string]struct {
		want, have netip.AddrPort
		roamed     bool
		set        bool
	}{
		"same":                 {want: announced, have: announced},
		"changed":              {want: announced, have: learnt, set: true},
		"unknown so far":       {want: announced, set: true},
		"roamed":               {want: announced, have: learnt, roamed: true},
		"none wanted any more": {have: learnt},
	} {
		want := mesh.Peer{PublicKey: key("a"), Endpoint: tt.want}
		have := mesh.Peer{PublicKey: key("a"), Endpoint: tt.have, Roamed: tt.roamed, LastHandshake: epoch}
		c := mesh.Diff(mesh.State{Peers: []mesh.Peer{want}}, mesh.State{Peers: []mesh.Peer{have}})
		if got := len(c.Peers.Update) == 1 && *c.Peers.Update[0].Endpoint == tt.want; got != tt.set || c.Empty() == tt.set {
			t.Errorf("%s: endpoint is set: %v, want %v; change: %v", name, got, tt.set, c.Lines())
		}
	}
}

// TestOneNodeCostsTheSame compares what one node's coming, changing and going changes in a mesh of 10 and one of 5,000.
func TestOneNodeCostsTheSame(t *testing.T) {
	cfg := config("10.0.0.0/8", "fd00:10:244::/48")
	for name, tt := range map[string]struct {
		before, after func(mesh.Node) []mesh.Node
		want          int
	}{
		// A peer, its two node IPs in the guard, two routes to pod CIDRs and four for its node IPs.
		"joins":  {before: none, after: same, want: 9},
		"leaves": {before: same, after: none, want: 9},
		"moves":  {before: same, after: elsewhere, want: 1},
		// The peer, one guarded address and two routes, each there and gone.
		"is readdressed":   {before: same, after: readdressed, want: 7},
		"changes its key":  {before: same, after: rekeyed, want: 2},
		"keeps alive":      {before: same, after: kept, want: 1},
		"is malformed now": {before: same, after: malformed, want: 5},
	} {
		for _, size := range []int{10, 5000} {
			nodes := numbers(size)
			one := number(size + 1)
			have := desired(t, cfg, nodes[0], append(nodes[:size:size], tt.before(one)...))
			want := desired(t, cfg, nodes[0], append(nodes[:size:size], tt.after(one)...))
			if lines := mesh.Diff(want, have).Lines(); len(lines) != tt.want {
				t.Errorf("node %s in a mesh of %d: %d changes, want %d:\n%s", name, size, len(lines), tt.want, text(lines))
			}
		}
	}
}

func none(mesh.Node) []mesh.Node   { return nil }
func same(n mesh.Node) []mesh.Node { return []mesh.Node{n} }

func elsewhere(n mesh.Node) []mesh.Node {
	n.Endpoints = []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:51820")}
	return []mesh.Node{n}
}

func readdressed(n mesh.Node) []mesh.Node {
	n.NodeIPs = []netip.Addr{netip.MustParseAddr("203.0.113.1"), n.NodeIPs[1]}
	return []mesh.Node{n}
}

func rekeyed(n mesh.Node) []mesh.Node {
	n.PublicKey = key("another")
	return []mesh.Node{n}
}

func kept(n mesh.Node) []mesh.Node {
	n.Keepalive = 25 * time.Second
	return []mesh.Node{n}
}

func malformed(n mesh.Node) []mesh.Node {
	n.Malformed = []mesh.Problem{{Node: n.Name, Field: mesh.FieldEndpoint, Reason: "malformed"}}
	return []mesh.Node{n}
}

package mesh_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

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

// TestDiffConverges takes a host from one mesh to the next, at random.
func TestDiffConverges(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	have := mesh.State{Bridge: mesh.Bridge{Name: "warren-br0"}}
	for _, name := range mesh.SysctlNames("warren0", "warren-br0") {
		have.Sysctls = append(have.Sysctls, mesh.Sysctl{Name: name, Value: "2"})
	}
	have.Sort()
	for i := range 300 {
		cfg := config()
		if random.IntN(4) == 0 {
			cfg = config("10.0.0.0/15", "10.156.0.0/15", "fd00:10:244::/48")
			cfg.MTU = 1280 + random.IntN(3)
			cfg.PlainFrom = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
			cfg.NodeCIDRs = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}
		}
		want := desired(t, cfg, number(40_000+random.IntN(2)), conflicting(random, 12))
		change := mesh.Diff(want, have)
		got := have.Apply(change)
		if diff := cmp.Diff(want, got, compareNetip, equateEmpty); diff != "" {
			t.Fatalf("step %d (-want +got):\n%s", i, diff)
		}
		if again := mesh.Diff(want, got); !again.Empty() {
			t.Fatalf("step %d: a second Diff is not empty:\n%s", i, text(again.Lines()))
		}
		have = got
	}
}

// TestDiffRules: the order of a family's rules is a part of the state, and so is that each is there once.
func TestDiffRules(t *testing.T) {
	rule := func(v6 bool, mark uint32) mesh.Rule { return mesh.Rule{IPv6: v6, Mark: mark, Mask: 1, Table: 5} }
	a, b, c, six, stale := rule(false, 1), rule(false, 2), rule(false, 3), rule(true, 1), rule(false, 9)
	astray := a
	astray.Astray, astray.Preference = true, 98
	want := []mesh.Rule{a, b, c, six}
	for name, tt := range map[string]struct {
		have []mesh.Rule
		want mesh.RuleEdits
	}{
		"as it is":            {have: want},
		"one is missing":      {[]mesh.Rule{a, c, six}, mesh.RuleEdits{Set: []mesh.Rule{a, b, c}}},
		"another order":       {[]mesh.Rule{a, c, b, six}, mesh.RuleEdits{Set: []mesh.Rule{a, b, c}}},
		"one is there twice":  {[]mesh.Rule{a, b, c, b, six}, mesh.RuleEdits{Set: []mesh.Rule{a, b, c}}},
		"a family is missing": {[]mesh.Rule{a, b, c}, mesh.RuleEdits{Set: []mesh.Rule{six}}},
		"one too many":        {[]mesh.Rule{a, stale, b, c, six}, mesh.RuleEdits{Remove: []mesh.Rule{stale}}},
		"one is astray, too":  {[]mesh.Rule{a, b, c, astray, six}, mesh.RuleEdits{Remove: []mesh.Rule{astray}}},
		"one is astray": {[]mesh.Rule{b, c, astray, six},
			mesh.RuleEdits{Set: []mesh.Rule{a, b, c}, Remove: []mesh.Rule{astray}}},
	} {
		t.Run(name, func(t *testing.T) {
			change := mesh.Diff(mesh.State{Rules: want}, mesh.State{Rules: tt.have})
			if diff := cmp.Diff(tt.want, change.Rules, compareNetip, equateEmpty); diff != "" {
				t.Errorf("change (-want +got):\n%s", diff)
			}
			if got := (mesh.State{Rules: tt.have}).Apply(change).Rules; !slices.Equal(got, want) {
				t.Errorf("applied: %v, want %v", got, want)
			}
			kept := mesh.State{Rules: tt.have}.Apply(change.WithoutRemovals()).Rules
			for _, r := range slices.Concat(tt.have, want) {
				if !slices.Contains(kept, r) {
					t.Errorf("applied without removals: %v, without %v", kept, r)
				}
			}
		})
	}
}

// TestDiffNode: another name for a peer is a change that sets nothing; a device's peers have no names.
func TestDiffNode(t *testing.T) {
	for name, tt := range map[string]struct {
		want, have string
		update     []mesh.PeerUpdate
	}{
		"same":    {want: "a", have: "a"},
		"renamed": {want: "a", have: "b", update: []mesh.PeerUpdate{{PublicKey: key("k"), Node: "a"}}},
		"unknown": {want: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			want := mesh.State{Peers: []mesh.Peer{{PublicKey: key("k"), Node: tt.want}}}
			have := mesh.State{Peers: []mesh.Peer{{PublicKey: key("k"), Node: tt.have}}}
			got := mesh.Diff(want, have).Peers.Update
			if diff := cmp.Diff(tt.update, got, equateEmpty); diff != "" {
				t.Errorf("updates (-want +got):\n%s", diff)
			}
			for _, u := range got {
				if u.Sets() {
					t.Errorf("%v sets something", u)
				}
			}
		})
	}
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
		"bridge's MAC":     {FixBridge: true},
		"bridge's address": {BridgeAddresses: mesh.Edits[netip.Prefix]{Remove: []netip.Prefix{{}}}},
		"device":           {Device: &mesh.Device{}},
		"peer added":       {Peers: mesh.PeerEdits{Add: []mesh.Peer{{}}}},
		"peer updated":     {Peers: mesh.PeerEdits{Update: []mesh.PeerUpdate{{}}}},
		"peer removed":     {Peers: mesh.PeerEdits{Remove: []mesh.Peer{{}}}},
		"route":            {Routes: mesh.Edits[mesh.Route]{Add: []mesh.Route{{}}}},
		"rule":             {Rules: mesh.RuleEdits{Remove: []mesh.Rule{{}}}},
	} {
		if c.Empty() {
			t.Errorf("a change with nothing but %s is empty", name)
		}
		if len(c.Lines()) != 1 {
			t.Errorf("%s: %d lines, want 1", name, len(c.Lines()))
		}
	}
}

// TestDiffDevice: what the device was is told with what it becomes, so that one without a key is known.
func TestDiffDevice(t *testing.T) {
	want := mesh.Device{PublicKey: keys.Public{1}, Port: 51820}
	for name, have := range map[string]mesh.Device{
		"no device":    {},
		"no key":       {Port: 51820},
		"a mark":       {PublicKey: want.PublicKey, Port: 51820, Mark: 1},
		"another port": {PublicKey: want.PublicKey, Port: 1},
		"another key":  {PublicKey: keys.Public{2}, Port: 51820},
	} {
		t.Run(name, func(t *testing.T) {
			got := mesh.Diff(mesh.State{Device: want}, mesh.State{Device: have})
			change := mesh.Change{Device: &want, OldDevice: have}
			if diff := cmp.Diff(change, got, compareNetip, equateEmpty); diff != "" {
				t.Errorf("change of the device (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDiffSysctls: an interface's parameters come with the interface, whose name may have dots.
func TestDiffSysctls(t *testing.T) {
	whole, iface := mesh.Sysctl{Name: "net/ipv4/ip_forward", Value: "1"}, mesh.Sysctl{Name: mesh.Forwarding("wg.1")}
	iface.Value = "1"
	want := mesh.State{Sysctls: []mesh.Sysctl{iface, whole}}
	off := mesh.State{Sysctls: []mesh.Sysctl{{Name: iface.Name, Value: "0"}, whole}}
	for _, tt := range []struct{ have, want []mesh.Sysctl }{
		{nil, []mesh.Sysctl{whole}}, {off.Sysctls, []mesh.Sysctl{iface}}, {want.Sysctls, nil},
	} {
		got := mesh.Diff(want, mesh.State{Sysctls: tt.have})
		if diff := cmp.Diff(mesh.Change{Sysctls: tt.want}, got, compareNetip, equateEmpty); diff != "" {
			t.Errorf("%v (-want +got)\n%s", tt.have, diff)
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
	other := netip.MustParsePrefix("10.0.9.1/24")
	have.Bridge = mesh.Bridge{Name: "warren-br0", MTU: 1500, Floats: true,
		Addresses: []netip.Prefix{other, want.Bridge.Addresses[1]}}
	got := mesh.Diff(want, have)
	edits := mesh.Edits[netip.Prefix]{Add: want.Bridge.Addresses[:1], Remove: []netip.Prefix{other}}
	wantChange := mesh.Change{BridgeMTU: 1420, BridgeAddresses: edits, FixBridge: true}
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
	change := mesh.Change{Routes: mesh.Edits[mesh.Route]{Add: want.Routes[i : i+1]}}
	if diff := cmp.Diff(change, mesh.Diff(want, have), compareNetip, equateEmpty); diff != "" {
		t.Errorf("change of a route's source (-want +got):\n%s", diff)
	}
}

func TestDiffEndpoint(t *testing.T) {
	announced, learnt := netip.MustParseAddrPort("192.0.2.1:51820"), netip.MustParseAddrPort("198.51.100.1:4000")
	for name, tt := range map[string]struct {
		want, have netip.AddrPort
		set        bool
	}{
		"same":                 {want: announced, have: announced},
		"changed":              {want: announced, have: learnt, set: true},
		"unknown so far":       {want: announced, set: true},
		"none wanted any more": {have: learnt},
	} {
		want := mesh.Peer{PublicKey: key("a"), Endpoint: tt.want}
		have := mesh.Peer{PublicKey: key("a"), Endpoint: tt.have}
		c := mesh.Diff(mesh.State{Peers: []mesh.Peer{want}}, mesh.State{Peers: []mesh.Peer{have}})
		got := len(c.Peers.Update) == 1 && *c.Peers.Update[0].Endpoint == tt.want
		if got != tt.set || c.Empty() == tt.set {
			t.Errorf("%s: endpoint is set: %v, want %v; change: %v", name, got, tt.set, c.Lines())
		}
	}
}

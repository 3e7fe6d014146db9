package meshtest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
)

func (c *contract) fromNothing() {
	have := c.observe()
	have.Sysctls = nil
	// A userspace device may be there before the Host.
	have.Link, have.Device = mesh.Link{}, mesh.Device{}
	if text := have.String(); text != "" {
		c.t.Errorf("a fresh host has\n%s", text)
	}
	c.converge(c.desired(members(3)...))
}

func (c *contract) twice() {
	want := c.desired(members(3)...)
	all := mesh.Diff(want, c.observe())
	c.apply(all)
	c.quiet(func() { c.apply(mesh.Diff(want, c.observe())) })
	// After an Apply that was cut short, what is there already is no failure.
	c.apply(all)
	c.is(want)
	c.apply(mesh.Diff(mesh.State{}, mesh.State{Peers: want.Peers, Routes: want.Routes, Rules: want.Rules}))
	c.apply(mesh.Diff(mesh.State{}, mesh.State{Peers: want.Peers, Routes: want.Routes, Rules: want.Rules}))
	c.converge(want)
}

func (c *contract) adopt() {
	want := c.desired(members(3)...)
	c.converge(want)
	c.Host = c.Restart()
	c.quiet(func() {
		c.is(want)
		c.apply(mesh.Diff(want, c.observe()))
	})
}

func (c *contract) drifts() {
	for name, drift := range drifts {
		c.t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &contract{t: t, Harness: c.newHarness(t)}
			want := c.desired(members(3)...)
			c.converge(want)
			drift(c, want)
			if have := c.observe(); mesh.Diff(want, have).Empty() {
				t.Fatalf("not observed; the host is\n%s", have)
			}
			c.converge(want)
		})
	}
}

// drifts are what others do to a host, one at a time.
var drifts = map[string]func(c *contract, s mesh.State){
	"link deleted":  func(c *contract, _ mesh.State) { c.Meddler.DeleteLink() },
	"link down":     func(c *contract, _ mesh.State) { c.Meddler.SetLink(false) },
	"down and up":   func(c *contract, _ mesh.State) { c.Meddler.SetLink(false); c.Meddler.SetLink(true) },
	"MTU":           func(c *contract, s mesh.State) { s.Link.MTU = 1300; c.meddle(mesh.Change{Link: &s.Link}) },
	"ruleset flush": func(c *contract, _ mesh.State) { c.Meddler.FlushRuleset() },
	"addresses deleted": func(c *contract, s mesh.State) {
		c.meddle(mesh.Change{Addresses: mesh.Edits[netip.Prefix]{Remove: s.Link.Addresses}})
	},
	"address added": func(c *contract, _ mesh.State) {
		added := []netip.Prefix{netip.MustParsePrefix("10.9.9.9/32")}
		c.meddle(mesh.Change{Addresses: mesh.Edits[netip.Prefix]{Add: added}})
	},
	"routes deleted": func(c *contract, s mesh.State) {
		c.meddle(mesh.Change{Routes: mesh.Edits[mesh.Route]{Remove: s.Routes}})
	},
	"route without source": func(c *contract, s mesh.State) {
		for _, r := range s.Routes {
			if r.Source.IsValid() {
				r.Source = netip.Addr{}
				c.meddle(mesh.Change{Routes: mesh.Edits[mesh.Route]{Add: []mesh.Route{r}}})
			}
		}
	},
	"rules deleted": func(c *contract, s mesh.State) {
		c.meddle(mesh.Change{Rules: mesh.RuleEdits{Remove: s.Rules}})
	},
	"one rule deleted": func(c *contract, s mesh.State) {
		c.meddle(mesh.Change{Rules: mesh.RuleEdits{Remove: s.Rules[1:2]}})
	},
	"rules in another order": func(c *contract, s mesh.State) {
		slices.Reverse(s.Rules)
		c.meddle(mesh.Change{Rules: mesh.RuleEdits{Set: s.Rules}})
		slices.Reverse(s.Rules)
	},
	"another rule first": func(c *contract, _ mesh.State) {
		c.Meddler.Precede(false)
		c.Meddler.Precede(true)
	},
	"others' routes in the place of warren's": func(c *contract, s mesh.State) {
		for _, r := range s.Routes {
			if mesh.OwnTable(r.Table) {
				c.Meddler.Block(obstacle(r))
			}
		}
	},
	"others' routes inside a pod CIDR": func(c *contract, _ mesh.State) {
		for _, p := range []string{"10.244.2.128/25", "fd00:10:244:2:8000::/65"} {
			c.Meddler.Block(mesh.Route{Table: mesh.TablePods, Destination: netip.MustParsePrefix(p), Metric: 7,
				Link: "under0"})
		}
	},
	"peer deleted": func(c *contract, s mesh.State) {
		c.meddle(mesh.Change{Peers: mesh.PeerEdits{Remove: s.Peers[:1]}})
	},
	"peer with another's addresses": func(c *contract, s mesh.State) {
		thief := mesh.PeerUpdate{PublicKey: s.Peers[0].PublicKey}
		thief.AllowedIPs.Add = s.Peers[1].AllowedIPs
		c.meddle(mesh.Change{Peers: mesh.PeerEdits{Update: []mesh.PeerUpdate{thief}}})
	},
	"keepalive": func(c *contract, s mesh.State) {
		interval := 7 * time.Second
		u := mesh.PeerUpdate{PublicKey: s.Peers[0].PublicKey, Keepalive: &interval}
		c.meddle(mesh.Change{Peers: mesh.PeerEdits{Update: []mesh.PeerUpdate{u}}})
	},
	"preshared key": func(c *contract, s mesh.State) { c.Meddler.Preshare(s.Peers[0].PublicKey) },
	"firewall mark": func(c *contract, _ mesh.State) { c.Meddler.Mark(0x4000) },
	"node address unguarded": func(c *contract, s mesh.State) {
		c.meddle(mesh.Change{NodeIPs: mesh.Edits[netip.Addr]{Remove: s.Firewall.NodeIPs[:1]}})
	},
	"port": func(c *contract, s mesh.State) {
		s.Device.Port++
		c.meddle(mesh.Change{Device: &s.Device})
	},
	"bridge made": func(c *contract, _ mesh.State) { c.Meddler.AddBridge(1500) },
	"bridge's MTU": func(c *contract, s mesh.State) {
		if c.observe().Bridge.Name == "" {
			c.Meddler.AddBridge(1500)
			c.converge(s)
		}
		c.meddle(mesh.Change{BridgeMTU: 1300})
	},
	"IPv4 forwarding off": func(c *contract, _ mesh.State) { c.sysctl("net/ipv4/ip_forward", "0") },
	"IPv6 forwarding off": func(c *contract, _ mesh.State) { c.sysctl("net/ipv6/conf/all/forwarding", "0") },
	"src_valid_mark off":  func(c *contract, _ mesh.State) { c.sysctl("net/ipv4/conf/all/src_valid_mark", "0") },
	"forwarding off on the interface": func(c *contract, s mesh.State) {
		c.sysctl(mesh.Forwarding(s.Link.Name), "0")
	},
	"IPv6 off on the interface": func(c *contract, s mesh.State) { c.sysctl(mesh.DisableIPv6(s.Link.Name), "1") },
}

func (c *contract) sysctl(name, value string) {
	c.t.Helper()
	c.meddle(mesh.Change{Sysctls: []mesh.Sysctl{{Name: name, Value: value}}})
}

// moves changes the mesh step by step as the agent does, each time from what was last desired.
func (c *contract) moves() {
	nodes := members(4)
	last := c.desired(nodes...)
	c.converge(last)
	moved, readdressed, rekeyed := member(3), member(4), member(5)
	moved.Endpoints[0] = netip.MustParseAddrPort("192.0.2.99:51821")
	moved.Keepalive = 25 * time.Second
	readdressed.NodeIPs = []netip.Addr{netip.MustParseAddr("192.0.2.104")}
	rekeyed.PublicKey[5] = 9
	thief := member(6)
	thief.PodCIDRs, thief.NodeIPs = readdressed.PodCIDRs, member(4).NodeIPs
	for _, step := range []struct {
		name  string
		nodes []mesh.Node
	}{
		{"a node joins", append(nodes, member(9))},
		{"and leaves", nodes},
		{"another endpoint and a keepalive", []mesh.Node{nodes[0], moved, nodes[2], nodes[3]}},
		{"another node IP", []mesh.Node{nodes[0], moved, readdressed, nodes[3]}},
		{"another key", []mesh.Node{nodes[0], moved, readdressed, rekeyed}},
		{"addresses of one node at another", []mesh.Node{nodes[0], moved, thief, rekeyed}},
		{"nobody else", nil},
	} {
		want, have := c.desired(step.nodes...), c.observe()
		change := mesh.Diff(want, last)
		if err := c.Host.Apply(c.t.Context(), change); err != nil {
			c.t.Errorf("%s: %v", step.name, err)
		}
		c.is(want)
		c.is(have.Apply(change))
		last = want
	}
}

func (c *contract) readdress() {
	before, after := c.desired(members(3)...), c.desiredOf(c.self(77), members(3))
	c.converge(before)
	c.apply(mesh.Diff(after, before))
	c.is(after)
}

// rekey gives the node another key while its peers stay.
func (c *contract) rekey() {
	before := c.desired(members(3)...)
	c.converge(before)
	c.Key = c.Rekey()
	after := c.desired(members(3)...)
	c.apply(mesh.Diff(after, before))
	c.is(after)
}

func (c *contract) stale() {
	c.Meddler.Clutter()
	foreign := c.Meddler.Foreign()
	if strings.Count(foreign, "\n") < 3 {
		c.t.Fatalf("too little clutter:\n%s", foreign)
	}
	c.converge(c.desired(members(5)...))
	c.Host = c.Restart()
	c.converge(c.desired(members(2)...))
	c.converge(c.desired())
	if diff := cmp.Diff(foreign, c.Meddler.Foreign()); diff != "" {
		c.t.Errorf("what is not warren's (-before +after)\n%s", diff)
	}
}

func (c *contract) bridge() {
	want := c.desired(members(2)...)
	c.converge(want)
	c.Meddler.AddBridge(1500)
	if c.observe().Bridge.Name == "" {
		c.t.Fatal("the bridge was not observed")
	}
	c.converge(want)
	got := c.observe().Bridge
	if !slices.Equal(got.Addresses, want.Bridge.Addresses) || got.MTU != want.Bridge.MTU {
		c.t.Errorf("bridge %v, want %v", got, want.Bridge)
	}
}

func samePrefix(a, b netip.Prefix) bool { return a == b }

// failure puts somebody else's routes where warren wants its own, and takes them away again.
func (c *contract) failure() {
	want := c.desired(members(3)...)
	c.converge(c.desired())
	poked := c.startWatch(func() {})
	var blocked []mesh.Route
	for _, r := range want.Routes {
		if r.Table == mesh.TableMain {
			blocked = append(blocked, r)
			c.Meddler.Block(obstacle(r))
			<-poked
			_ = c.observe()
		}
	}
	err := c.Host.Apply(c.t.Context(), mesh.Diff(want, c.observe()))
	for _, r := range blocked {
		if err == nil || !strings.Contains(err.Error(), r.Destination.String()) {
			c.t.Errorf("the error does not name %v: %v", r, err)
		}
	}
	left := mesh.Diff(want, c.observe())
	if diff := cmp.Diff(blocked, left.Routes.Add, cmp.Comparer(samePrefix), cmp.Comparer(sameAddr)); diff != "" {
		c.t.Errorf("routes left to add (-want +got)\n%s", diff)
	}
	if left.Routes.Add = nil; !left.Empty() {
		c.t.Errorf("more than the blocked routes was left undone: %v", left.Lines())
	}
	for _, r := range blocked {
		_ = c.Host.Apply(c.t.Context(), mesh.Change{Routes: mesh.Edits[mesh.Route]{Add: blocked}})
		select {
		case <-poked: // the last one was reported twice, or Watch began late
		default:
		}
		c.Meddler.Unblock(obstacle(r))
		<-poked
	}
	c.converge(want)
}

// obstacle is somebody else's route in the place of this one.
func obstacle(r mesh.Route) mesh.Route {
	return mesh.Route{Table: r.Table, Destination: r.Destination, Metric: r.Metric, Link: "under0"}
}

// earlier has what a version left that had other tables and preferences.
func (c *contract) earlier() {
	c.Meddler.Earlier()
	c.converge(c.desired(members(2)...))
}

func sameAddr(a, b netip.Addr) bool { return a == b }

// cost compares what one node more costs in a small mesh and in a larger one.
func (c *contract) cost() {
	var costs []map[string]uint64
	for _, size := range []int{2, 60} {
		before, after := c.desired(members(size)...), c.desired(append(members(size), member(200))...)
		c.converge(before)
		start := c.Host.Operations()
		c.apply(mesh.Diff(after, before))
		cost := c.Host.Operations()
		for kind, n := range start {
			if cost[kind] -= n; cost[kind] == 0 {
				delete(cost, kind)
			}
		}
		costs = append(costs, cost)
		c.is(after)
	}
	if diff := cmp.Diff(costs[0], costs[1]); diff != "" {
		c.t.Errorf("cost of one node (-in a mesh of 2 +in a mesh of 60)\n%s", diff)
	}
}

func (c *contract) underlay() {
	unknown := netip.MustParseAddr("203.0.113.7")
	got, err := c.Host.UnderlayMTU(append([]netip.Addr{unknown}, UnderlayIPs...), nil)
	if err != nil || got != UnderlayMTU {
		c.t.Errorf("MTU %d (%v), want %d", got, err, UnderlayMTU)
	}
	_, err = c.Host.UnderlayMTU([]netip.Addr{unknown}, nil)
	if err == nil || !strings.Contains(err.Error(), "203.0.113.7") {
		c.t.Errorf("of an address that nobody has: %v", err)
	}
}

func (c *contract) leaks() {
	if got, err := c.Host.Leaks(c.t.Context()); got != nil || err != nil {
		c.t.Errorf("without a table: %v, %v", got, err)
	}
	c.converge(c.desired())
	if got, err := c.Host.Leaks(c.t.Context()); got == nil || err != nil {
		c.t.Errorf("with a table: %v, %v", got, err)
	}
}

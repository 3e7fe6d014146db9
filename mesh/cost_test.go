package mesh_test

import (
	"net/netip"
	"testing"
	"time"

	"warren.mesh/mesh"
)

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
				t.Errorf("node %s in a mesh of %d: %d changes, want %d:\n%s",
					name, size, len(lines), tt.want, text(lines))
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

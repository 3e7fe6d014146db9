package mesh_test

import (
	"net/netip"
	"slices"
	"testing"

	"warren.mesh/mesh"
)

// TestAllowedIPsMove checks at every step that an allowed IP that somebody had and somebody is to have is never
// nobody's.
func TestAllowedIPsMove(t *testing.T) {
	peer := func(name string, ips ...string) mesh.Peer {
		p := mesh.Peer{PublicKey: key(name), Node: name}
		for _, ip := range ips {
			p.AllowedIPs = append(p.AllowedIPs, netip.MustParsePrefix(ip))
		}
		return p
	}
	type peers = []mesh.Peer
	const x, y = "10.0.1.0/24", "192.0.2.1/32"
	for name, tt := range map[string]struct{ have, want peers }{
		"to a new peer from one that goes":  {peers{peer("a", x, y)}, peers{peer("b", x, y)}},
		"to a new peer from one that stays": {peers{peer("a", x, y)}, peers{peer("a", y), peer("b", x)}},
		"to an old peer, giver first":       {peers{peer("a", x, y), peer("b")}, peers{peer("a", y), peer("b", x)}},
		"exchanged":                         {peers{peer("a", x), peer("b", y)}, peers{peer("a", y), peer("b", x)}},
		"kept beside one that goes":         {peers{peer("a", x, y, "10.0.9.0/24")}, peers{peer("a", x, y)}},
		"to an old peer, taker first":       {peers{peer("a", x), peer("b", y)}, peers{peer("a", x, y), peer("b")}},
	} {
		t.Run(name, func(t *testing.T) {
			edits := mesh.Diff(mesh.State{Peers: tt.want}, mesh.State{Peers: tt.have}).Peers
			for _, u := range edits.Update {
				for _, ip := range append(u.AllowedIPs.Add, u.AllowedIPs.Remove...) {
					others := func(p mesh.Peer) bool {
						return p.PublicKey != u.PublicKey && slices.Contains(p.AllowedIPs, ip)
					}
					if slices.ContainsFunc(tt.want, others) {
						t.Errorf("%+v touches %v, which another peer is to have", u, ip)
					}
				}
			}
			for _, step := range prefixesOf(edits) {
				owned := map[netip.Prefix]bool{}
				for _, p := range (mesh.State{Peers: tt.have}).Apply(mesh.Change{Peers: step}).Peers {
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

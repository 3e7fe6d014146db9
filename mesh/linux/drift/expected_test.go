package drift

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// stateOf is a host with these many peers, which has the n-th addresses.
func stateOf(n, peers int) mesh.State {
	own := netip.AddrFrom4([4]byte{10, 244, byte(n), 1})
	s := mesh.State{
		Link: mesh.Link{Name: "warren0", MTU: 1420 - n, Up: true,
			Addresses: []netip.Prefix{netip.PrefixFrom(own, 32)}},
		Bridge:  mesh.Bridge{Name: "warren-br0", MTU: 1420 - n, Addresses: []netip.Prefix{netip.PrefixFrom(own, 24)}},
		Device:  mesh.Device{PublicKey: keys.Public{99}, Port: uint16(51820 + n)},
		Rules:   []mesh.Rule{{From: netip.PrefixFrom(own, 24).Masked(), Table: mesh.TableNodes}},
		Sysctls: []mesh.Sysctl{{Name: "net/ipv4/ip_forward", Value: fmt.Sprint(n)}},
	}
	for i := range peers {
		cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(100 + i + n), 0}), 24)
		s.Peers = append(s.Peers, mesh.Peer{
			PublicKey: keys.Public{byte(i + 1)}, AllowedIPs: []netip.Prefix{cidr},
			Keepalive: time.Duration(n) * time.Second,
		})
		s.Routes = append(s.Routes, mesh.Route{Table: mesh.TablePods, Destination: cidr, Link: "warren0", Source: own})
	}
	return s
}

func seenOf(s mesh.State) Seen {
	return Seen{
		Links:  Links{Link: s.Link, LinkIndex: 7, Bridge: s.Bridge, BridgeIndex: 8},
		Device: Device{Device: s.Device, Peers: s.Peers, Answers: true},
		Routes: s.Routes, Rules: s.Rules, Sysctls: s.Sysctls,
	}
}

func expectedOf(s mesh.State) *Expected {
	var e Expected
	e.Observed(seenOf(s))
	return &e
}

// What is expected after a change is what is expected of the state that the change leads to.
func TestExpectedApplies(t *testing.T) {
	states := []mesh.State{stateOf(1, 3), stateOf(1, 1), stateOf(2, 3), stateOf(3, 0), stateOf(1, 5)}
	for i, from := range states {
		for j, to := range states {
			t.Run(fmt.Sprintf("%d to %d", i, j), func(t *testing.T) {
				got, want := expectedOf(from), expectedOf(to)
				got.Apply(mesh.Diff(to, from))
				if !sameLink(got.parts.Link, want.parts.Link) || !sameBridge(got.parts.Bridge, want.parts.Bridge) ||
					got.parts.Device != want.parts.Device || !same(got.parts.Rules, want.parts.Rules) ||
					!same(got.parts.Sysctls, want.parts.Sysctls) {
					t.Errorf("%v, want %v", got.parts, want.parts)
				}
				if !maps.Equal(got.routes, want.routes) {
					t.Errorf("routes %v, want %v", got.routes, want.routes)
				}
				if !samePeers(to.Peers, got.peers) || !maps.Equal(got.holders, want.holders) {
					t.Errorf("peers %v of %v, want %v of %v", got.peers, got.holders, want.peers, want.holders)
				}
			})
		}
	}
}

// Whoever applies a change goes on using it, and what was observed: Expected reorders neither.
func TestExpectedLeavesItsArgumentsAlone(t *testing.T) {
	ip := func(text string) netip.Prefix { return netip.MustParsePrefix(text) }
	peer := mesh.Peer{PublicKey: keys.Public{1}, AllowedIPs: []netip.Prefix{ip("203.0.113.0/24"), ip("10.0.0.0/24")}}
	change := mesh.Change{
		Peers: mesh.PeerEdits{
			Add: []mesh.Peer{peer},
			Update: []mesh.PeerUpdate{{PublicKey: keys.Public{2},
				AllowedIPs: mesh.Edits[netip.Prefix]{Add: peer.AllowedIPs[1:]}}},
		},
	}
	e := expectedOf(mesh.State{Peers: []mesh.Peer{peer,
		{PublicKey: keys.Public{2}, AllowedIPs: []netip.Prefix{ip("10.9.0.0/24")}}}})
	e.Apply(change)
	e.Apply(mesh.Change{Peers: mesh.PeerEdits{Update: []mesh.PeerUpdate{{PublicKey: keys.Public{1}}}}})
	if got := peer.AllowedIPs[0]; got != ip("203.0.113.0/24") {
		t.Errorf("the first allowed IP is now %s", got)
	}
}

// differsIn returns the parts of which a host that looks like this differs from what is expected.
func differsIn(e *Expected, seen Seen, uplinks ...string) (parts Parts, device bool) {
	reader := Reader{
		Links:   func() (Links, error) { return seen.Links, nil },
		Device:  func() (Device, error) { return seen.Device, nil },
		Routes:  func() ([]mesh.Route, error) { return seen.Routes, nil },
		Rules:   func() ([]mesh.Rule, error) { return seen.Rules, nil },
		Sysctls: func() ([]mesh.Sysctl, error) { return seen.Sysctls, nil },
		Uplinks: func() ([]string, error) { return uplinks, nil },
		MTU:     func(int) (int, error) { return 1500, nil },
	}
	for _, p := range []Parts{Interfaces, Routes, Rules, Sysctls, Uplinks} {
		parts |= p.when(e.differs(p, reader))
	}
	_, device = e.deviceDiffers(reader)
	return parts, device
}

func TestDiffers(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Seen)
		want   Parts
		device bool
	}{
		{name: "as it was", change: func(*Seen) {}},
		{name: "link down", change: func(s *Seen) { s.Link.Up = false }, want: Interfaces},
		{name: "link replaced by one that looks alike", change: func(s *Seen) { s.LinkIndex = 9 }},
		{name: "address gone", change: func(s *Seen) { s.Link.Addresses = nil }, want: Interfaces},
		{name: "bridge's MTU", change: func(s *Seen) { s.Bridge.MTU++ }, want: Interfaces},
		{name: "route gone", change: func(s *Seen) { s.Routes = s.Routes[1:] }, want: Routes},
		{name: "rule gone", change: func(s *Seen) { s.Rules = nil }, want: Rules},
		{name: "sysctl", change: func(s *Seen) { s.Sysctls[0].Value = "0" }, want: Sysctls},
		{name: "port", change: func(s *Seen) { s.Device.Port++ }, device: true},
		{name: "peer gone", change: func(s *Seen) { s.Device.Peers = s.Device.Peers[1:] }, device: true},
		{name: "peer roamed",
			change: func(s *Seen) { s.Device.Peers[0].Endpoint = netip.MustParseAddrPort("192.0.2.9:1") }},
		{name: "keepalive", change: func(s *Seen) { s.Device.Peers[0].Keepalive++ }, device: true},
		{name: "another peer", change: func(s *Seen) { s.Device.Peers[0].PublicKey[5]++ }, device: true},
		{name: "no device answers", change: func(s *Seen) { s.Device = Device{} }, device: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, seen := expectedOf(stateOf(1, 2)), seenOf(stateOf(1, 2))
			tt.change(&seen)
			if parts, device := differsIn(e, seen); parts != tt.want || device != tt.device {
				t.Errorf("parts %b, device %v; want %b, %v", parts, device, tt.want, tt.device)
			}
			e.Invalidate()
			if parts, device := differsIn(e, seen); parts != 0 || device != !seen.Device.Answers {
				t.Errorf("after a failure: parts %b, device %v; want none", parts, device)
			}
		})
	}
}

// An interface that takes router advertisements is news unless it has been observed.
func TestUplinkDiffers(t *testing.T) {
	state := stateOf(1, 1)
	state.Sysctls = append(state.Sysctls, mesh.Sysctl{Name: mesh.AcceptRA("eth0"), Value: "2"})
	for iface, want := range map[string]Parts{"eth0": 0, "eth1": Uplinks} {
		if parts, _ := differsIn(expectedOf(state), seenOf(state), iface); parts != want {
			t.Errorf("%s: parts %b, want %b", iface, parts, want)
		}
	}
}

// BenchmarkExpectedApply tells that one node's change costs the same in a mesh of any size.
func BenchmarkExpectedApply(b *testing.B) {
	for _, peers := range []int{10, 5000} {
		b.Run(fmt.Sprint(peers), func(b *testing.B) {
			state := manyPeers(peers)
			e := expectedOf(state)
			last := len(state.Peers) - 1
			less := state
			less.Peers, less.Routes = state.Peers[:last], state.Routes[:last]
			goes, comes := mesh.Diff(less, state), mesh.Diff(state, less)
			b.ReportAllocs()
			for b.Loop() {
				e.Apply(goes)
				e.Apply(comes)
			}
		})
	}
}

func manyPeers(n int) mesh.State {
	s := stateOf(1, 0)
	for i := range n {
		cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		s.Peers = append(s.Peers, mesh.Peer{PublicKey: keys.Public{1, byte(i >> 8), byte(i)},
			AllowedIPs: []netip.Prefix{cidr}})
		s.Routes = append(s.Routes, mesh.Route{Table: mesh.TablePods, Destination: cidr, Link: "warren0"})
	}
	return s
}

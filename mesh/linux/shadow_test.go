package linux

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

// stateOf is a host with these many peers, which has the n-th addresses.
func stateOf(n, peers int) mesh.State {
	own := netip.AddrFrom4([4]byte{10, 244, byte(n), 1})
	s := mesh.State{
		Link:   mesh.Link{Name: "warren0", MTU: 1420 - n, Up: true, Addresses: []netip.Prefix{netip.PrefixFrom(own, 32)}},
		Bridge: mesh.Bridge{Name: "warren-br0", MTU: 1420 - n, Addresses: []netip.Prefix{netip.PrefixFrom(own, 24)}},
		Device: mesh.Device{PublicKey: keys.Public{99}, Port: uint16(51820 + n)},
		Rules:  []mesh.Rule{{Priority: 100, From: netip.PrefixFrom(own, 24).Masked(), Table: mesh.TableMesh}},
	}
	for i := range peers {
		cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(100 + i + n), 0}), 24)
		s.Peers = append(s.Peers, mesh.Peer{
			PublicKey: keys.Public{byte(i + 1)}, AllowedIPs: []netip.Prefix{cidr}, Keepalive: time.Duration(n) * time.Second,
		})
		s.Routes = append(s.Routes, mesh.Route{Table: mesh.TableMain, Destination: cidr, Link: "warren0", Source: own})
	}
	return s
}

func shadowOf(s mesh.State) *shadow {
	var shadow shadow
	shadow.reset(observation{Observation: mesh.Observation{State: s}, link: 7, bridge: 8, answers: true})
	return &shadow
}

// A shadow that went along with a change is that of the state it leads to.
func TestShadowAdvances(t *testing.T) {
	states := []mesh.State{stateOf(1, 3), stateOf(1, 1), stateOf(2, 3), stateOf(3, 0), stateOf(1, 5)}
	for i, from := range states {
		for j, to := range states {
			t.Run(fmt.Sprintf("%d to %d", i, j), func(t *testing.T) {
				got, want := shadowOf(from), shadowOf(to)
				got.advance(mesh.Diff(to, from))
				if !got.link.equal(want.link) || !got.bridge.equal(want.bridge) || got.device != want.device {
					t.Errorf("link %v, bridge %v, device %v; want %v, %v, %v",
						got.link, got.bridge, got.device, want.link, want.bridge, want.device)
				}
				if !maps.Equal(got.routes, want.routes) || !maps.Equal(got.rules, want.rules) {
					t.Errorf("routes %v, rules %v; want %v, %v", got.routes, got.rules, want.routes, want.rules)
				}
				if !maps.EqualFunc(got.peers, want.peers, peerShape.equal) {
					t.Errorf("peers %v, want %v", got.peers, want.peers)
				}
			})
		}
	}
}

func TestSuspects(t *testing.T) {
	state := stateOf(1, 2)
	ours := state.Routes[0]
	ours.Link = ""
	other := ours
	other.Source = netip.Addr{}
	tests := []struct {
		name string
		in   rtnl.Event
		want parts
	}{
		{name: "nothing", in: rtnl.Event{}},
		{name: "link as it is", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 7, Name: "warren0", MTU: 1419, Up: true}},
		{name: "link down", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 7, Name: "warren0", MTU: 1419}, want: partInterfaces},
		{name: "another MTU", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 7, Name: "warren0", MTU: 1300, Up: true}, want: partInterfaces},
		{name: "link deleted", in: rtnl.Event{Kind: rtnl.LinkEvent, Gone: true, Index: 7, Name: "warren0", MTU: 1419}, want: partInterfaces},
		{name: "link made again", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 9, Name: "warren0", MTU: 1419, Up: true}, want: partInterfaces},
		{name: "link renamed", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 7, Name: "wg0", MTU: 1419, Up: true}, want: partInterfaces},
		{name: "bridge deleted", in: rtnl.Event{Kind: rtnl.LinkEvent, Gone: true, Index: 8, Name: "warren-br0", MTU: 1419}, want: partInterfaces},
		{name: "underlay as it is", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 2, Name: "eth0", MTU: 1500, Up: true}},
		{name: "underlay's MTU", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 2, Name: "eth0", MTU: 9000, Up: true}, want: partInterfaces},
		{name: "somebody else's link", in: rtnl.Event{Kind: rtnl.LinkEvent, Gone: true, Index: 3, Name: "eth1"}},
		{name: "address", in: rtnl.Event{Kind: rtnl.AddressEvent, Index: 7}, want: partInterfaces},
		{name: "somebody else's address", in: rtnl.Event{Kind: rtnl.AddressEvent, Index: 2}},
		{name: "route that is there added", in: rtnl.Event{Kind: rtnl.RouteEvent, Index: 7, Route: ours}},
		{name: "route that is there deleted", in: rtnl.Event{Kind: rtnl.RouteEvent, Gone: true, Index: 7, Route: ours}, want: partRoutes},
		{name: "route with another source", in: rtnl.Event{Kind: rtnl.RouteEvent, Index: 7, Route: other}, want: partRoutes},
		{name: "by another interface", in: rtnl.Event{Kind: rtnl.RouteEvent, Index: 2, Route: ours}, want: partRoutes},
		{name: "unknown route deleted", in: rtnl.Event{Kind: rtnl.RouteEvent, Gone: true, Index: 2, Route: ours}},
		{name: "rule that is there added", in: rtnl.Event{Kind: rtnl.RuleEvent, Rule: state.Rules[0]}},
		{name: "rule that is there deleted", in: rtnl.Event{Kind: rtnl.RuleEvent, Gone: true, Rule: state.Rules[0]}, want: partRules},
		{name: "unknown rule added", in: rtnl.Event{Kind: rtnl.RuleEvent, Rule: mesh.Rule{Priority: 5}}, want: partRules},
	}
	s := shadowOf(state)
	s.underlay = underlay{index: 2, mtu: 1500}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.suspects(tt.in); got != tt.want {
				t.Errorf("suspects %b, want %b", got, tt.want)
			}
		})
	}
}

// While the host is observed, what agrees with the shadow may be news all the same; after a failure only what comes or
// goes is.
func TestSuspectsInDoubt(t *testing.T) {
	state := stateOf(1, 2)
	route := state.Routes[0]
	route.Link = ""
	added := rtnl.Event{Kind: rtnl.RouteEvent, Index: 7, Route: route}
	appeared := rtnl.Event{Kind: rtnl.LinkEvent, Index: 9, Name: "warren0", MTU: 1419, Up: true}
	s := shadowOf(state)
	s.distrust()
	if got := s.suspects(added); got != partRoutes {
		t.Errorf("during an observation %b, want %b", got, partRoutes)
	}
	s.doubt()
	added.Gone = true
	if got := s.suspects(added); got != 0 {
		t.Errorf("after a failure %b, want none", got)
	}
	if got := s.suspects(appeared); got != partInterfaces {
		t.Errorf("an interface after a failure %b, want %b", got, partInterfaces)
	}
}

func TestPollInterval(t *testing.T) {
	for peers, want := range map[int]time.Duration{
		0:    500 * time.Millisecond,
		1000: 500 * time.Millisecond,
		5000: 2500 * time.Millisecond,
	} {
		if got := pollInterval(peers); got != want {
			t.Errorf("%d peers: %v, want %v", peers, got, want)
		}
	}
}

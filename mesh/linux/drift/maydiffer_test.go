package drift

import (
	"net/netip"
	"testing"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

func TestMayDiffer(t *testing.T) {
	state := stateOf(1, 2)
	barrier := mesh.Route{Table: mesh.TableMain, Destination: netip.MustParsePrefix("10.0.0.0/8"),
		Metric: mesh.MetricLast}
	ours := state.Routes[0]
	ours.Link = ""
	state.Routes = append(state.Routes, barrier)
	other := ours
	other.Source = netip.Addr{}
	tests := []struct {
		name string
		in   rtnl.Event
		want Parts
	}{
		{name: "nothing", in: rtnl.Event{}},
		{name: "link as it is", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 7, Name: "warren0", MTU: 1419, Up: true}},
		{name: "link down", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 7, Name: "warren0", MTU: 1419},
			want: Interfaces},
		{name: "another MTU", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 7, Name: "warren0", MTU: 1300, Up: true},
			want: Interfaces},
		{name: "link deleted", in: rtnl.Event{Kind: rtnl.LinkEvent, Gone: true, Index: 7, Name: "warren0", MTU: 1419},
			want: Interfaces},
		{name: "link made again", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 9, Name: "warren0", MTU: 1419, Up: true},
			want: Interfaces},
		{name: "link renamed", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 7, Name: "wg0", MTU: 1419, Up: true},
			want: Interfaces},
		{name: "bridge deleted", in: rtnl.Event{Kind: rtnl.LinkEvent, Gone: true, Index: 8, Name: "warren-br0",
			MTU: 1419}, want: Interfaces},
		{name: "underlay as it is", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 2, Name: "eth0", MTU: 1500, Up: true}},
		{name: "underlay's MTU", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 2, Name: "eth0", MTU: 9000, Up: true},
			want: Interfaces},
		{name: "another way's MTU", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 4, Name: "eth2", MTU: 1400, Up: true},
			want: Interfaces},
		{name: "another way deleted", in: rtnl.Event{Kind: rtnl.LinkEvent, Gone: true, Index: 4, Name: "eth2",
			MTU: 1500}, want: Interfaces},
		{name: "hardware", in: rtnl.Event{Kind: rtnl.LinkEvent, Index: 3, Name: "eth1", Outward: true}, want: Uplinks},
		{name: "a router's route", in: rtnl.Event{Kind: rtnl.AdvertisedEvent}, want: Uplinks},
		{name: "somebody else's link", in: rtnl.Event{Kind: rtnl.LinkEvent, Gone: true, Index: 3, Name: "eth1"}},
		{name: "address", in: rtnl.Event{Kind: rtnl.AddressEvent, Index: 7}, want: Interfaces},
		{name: "somebody else's address", in: rtnl.Event{Kind: rtnl.AddressEvent, Index: 2}},
		{name: "route that is there added", in: rtnl.Event{Kind: rtnl.RouteEvent, Index: 7, Route: ours}},
		{name: "route that is there deleted", in: rtnl.Event{Kind: rtnl.RouteEvent, Gone: true, Index: 7, Route: ours},
			want: Routes},
		{name: "route with another source", in: rtnl.Event{Kind: rtnl.RouteEvent, Index: 7, Route: other},
			want: Routes},
		{name: "by another interface", in: rtnl.Event{Kind: rtnl.RouteEvent, Index: 2, Route: ours}, want: Routes},
		{name: "unknown route deleted", in: rtnl.Event{Kind: rtnl.RouteEvent, Gone: true, Index: 2, Route: ours}},
		{name: "sysctl of all interfaces", in: rtnl.Event{Kind: rtnl.SysctlEvent, Index: rtnl.AllInterfaces},
			want: Sysctls},
		{name: "bridge's sysctl", in: rtnl.Event{Kind: rtnl.SysctlEvent, Index: 8}, want: Sysctls},
		{name: "somebody else's sysctl", in: rtnl.Event{Kind: rtnl.SysctlEvent, Index: 3}},
		{name: "somebody else's route in a table of warren's", in: rtnl.Event{Kind: rtnl.RouteEvent, Index: 2,
			Route: mesh.Route{Table: mesh.TablePods, Destination: ours.Destination, Foreign: 4}}, want: Routes},
		{name: "somebody else's route in the place of warren's", in: rtnl.Event{Kind: rtnl.RouteEvent, Index: 2,
			Route: mesh.Route{Table: barrier.Table, Destination: barrier.Destination, Metric: barrier.Metric,
				Foreign: 4}}, want: Routes},
		{name: "somebody else's route beside it", in: rtnl.Event{Kind: rtnl.RouteEvent, Index: 2,
			Route: mesh.Route{Table: barrier.Table, Destination: barrier.Destination, Metric: 5, Foreign: 4}}},
		{name: "somebody else's route deleted", in: rtnl.Event{Kind: rtnl.RouteEvent, Index: 2, Gone: true,
			Route: mesh.Route{Table: mesh.TableMain, Destination: ours.Destination, Foreign: 4}}},
		{name: "anybody's rule", in: rtnl.Event{Kind: rtnl.RuleEvent}, want: Rules},
		{name: "anybody's rule deleted", in: rtnl.Event{Kind: rtnl.RuleEvent, Gone: true}, want: Rules},
	}
	e := expectedOf(state)
	e.SetUnderlay(map[int]int{2: 1500, 4: 1500})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := e.MayDiffer(tt.in); got != tt.want {
				t.Errorf("may differ: %b, want %b", got, tt.want)
			}
		})
	}
}

// An obstacle's removal counts also after the failure that it caused, until the next change. It may go with its
// interface or with an address.
func TestObstacles(t *testing.T) {
	at := mesh.Route{Table: mesh.TableMain, Destination: netip.MustParsePrefix("10.0.0.0/8"), Metric: mesh.MetricLast}
	elsewhere := at
	elsewhere.Metric, elsewhere.Foreign = 5, 4
	somebodys := at
	somebodys.Foreign = 4
	e := expectedOf(stateOf(1, 2))
	e.Apply(mesh.Change{})
	e.AddObstacle(at.Key())
	e.Invalidate()
	for name, tt := range map[string]struct {
		in   rtnl.Event
		want Parts
	}{
		"the obstacle goes":      {rtnl.Event{Kind: rtnl.RouteEvent, Gone: true, Route: somebodys}, Obstacles},
		"another route goes":     {rtnl.Event{Kind: rtnl.RouteEvent, Gone: true, Route: elsewhere}, 0},
		"warren's route goes":    {rtnl.Event{Kind: rtnl.RouteEvent, Gone: true, Route: at}, 0},
		"an interface goes":      {rtnl.Event{Kind: rtnl.LinkEvent, Gone: true, Index: 5, Name: "eth1"}, Obstacles},
		"an interface goes down": {rtnl.Event{Kind: rtnl.LinkEvent, Index: 5, Name: "eth1"}, Obstacles},
		"an interface comes":     {rtnl.Event{Kind: rtnl.LinkEvent, Index: 5, Name: "eth1", Up: true}, 0},
		"an address goes":        {rtnl.Event{Kind: rtnl.AddressEvent, Gone: true, Index: 5}, Obstacles},
		"an address comes":       {rtnl.Event{Kind: rtnl.AddressEvent, Index: 5}, 0},
	} {
		if got := e.MayDiffer(tt.in); got != tt.want {
			t.Errorf("%s: %b, want %b", name, got, tt.want)
		}
		if differs := e.differs(tt.want, Reader{}); differs != (tt.want == Obstacles) {
			t.Errorf("%s: differs: %t", name, differs)
		}
	}
	e.Apply(mesh.Change{})
	if got := e.MayDiffer(rtnl.Event{Kind: rtnl.RouteEvent, Gone: true, Route: somebodys}); got != 0 {
		t.Errorf("after the next change %b, want none", got)
	}
}

// Interfaces differ once any way out has another MTU, or is gone.
func TestUnderlayDiffers(t *testing.T) {
	state := stateOf(1, 2)
	for name, tt := range map[string]struct {
		seen map[int]int
		want bool
	}{
		"as they are": {map[int]int{2: 1500, 4: 1400}, false},
		"the least":   {map[int]int{2: 1500, 4: 1300}, true},
		"another":     {map[int]int{2: 1200, 4: 1400}, true},
		"one is gone": {map[int]int{4: 1400}, true},
	} {
		e := expectedOf(state)
		e.SetUnderlay(map[int]int{2: 1500, 4: 1400})
		r := Reader{Links: func() (Links, error) { return seenOf(state).Links, nil },
			MTU: func(index int) (int, error) { return tt.seen[index], nil }}
		if got := e.differs(Interfaces, r); got != tt.want {
			t.Errorf("%s: differs: %t", name, got)
		}
	}
}

// While the host is being observed, also what is as expected may be news; after a failure only an interface that comes
// or goes is.
func TestMayDifferUnsure(t *testing.T) {
	state := stateOf(1, 2)
	route := state.Routes[0]
	route.Link = ""
	added := rtnl.Event{Kind: rtnl.RouteEvent, Index: 7, Route: route}
	appeared := rtnl.Event{Kind: rtnl.LinkEvent, Index: 9, Name: "warren0", MTU: 1419, Up: true}
	e := expectedOf(state)
	e.BeginObserve()
	if got := e.MayDiffer(added); got != Routes {
		t.Errorf("during an observation %b, want %b", got, Routes)
	}
	e.Invalidate()
	added.Gone = true
	if got := e.MayDiffer(added); got != 0 {
		t.Errorf("after a failure %b, want none", got)
	}
	if got := e.MayDiffer(appeared); got != Interfaces {
		t.Errorf("an interface after a failure %b, want %b", got, Interfaces)
	}
}

// FuzzMayDiffer checks that no event ends the daemon, known to be about a part of the host or not.
func FuzzMayDiffer(f *testing.F) {
	f.Add(uint8(rtnl.RouteEvent), true, 7, "warren0", []byte{10, 244, 2, 0}, 24)
	f.Add(uint8(rtnl.LinkEvent), false, 0, "", []byte(nil), -1)
	e := expectedOf(stateOf(1, 2))
	f.Fuzz(func(t *testing.T, kind uint8, gone bool, index int, name string, ip []byte, bits int) {
		addr, _ := netip.AddrFromSlice(ip)
		event := rtnl.Event{Kind: rtnl.Kind(kind), Gone: gone, Index: index, Name: name}
		event.Route.Destination = netip.PrefixFrom(addr, bits)
		event.Route.Foreign = uint8(bits)
		var nothing Expected
		if parts := e.MayDiffer(event) | nothing.MayDiffer(event); parts&^Everything != 0 {
			t.Errorf("parts %b", parts)
		}
	})
}

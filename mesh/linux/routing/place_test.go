package routing

import (
	"fmt"
	"slices"
	"testing"

	"warren.mesh/mesh"
)

// The sequence stands before everybody else's rules, and where it is in force is never where the next one is set up.
func TestSpots(t *testing.T) {
	ours := func(preference uint32) listed {
		return listed{preference: preference, ours: true, rule: mesh.Rule{Table: mesh.TablePods}}
	}
	other := func(preference uint32) listed { return listed{preference: preference} }
	local, main := other(0), other(32766)
	for name, tt := range map[string]struct {
		all     []listed
		inForce uint32
		spare   uint32
	}{
		"none yet":                          {[]listed{local, main}, 49, 50},
		"nobody's rules at all":             {nil, 49, 50},
		"in force":                          {[]listed{local, ours(50), main}, 50, 49},
		"in force, set anew":                {[]listed{local, ours(49), main}, 49, 50},
		"one set up, the other not removed": {[]listed{local, ours(49), ours(50), main}, 49, 50},
		"a VPN added one":                   {[]listed{local, other(49), ours(50), main}, 47, 48},
		"a VPN added one in front of 49":    {[]listed{local, other(48), ours(49), main}, 46, 47},
		"the VPN is there":                  {[]listed{local, ours(48), other(49), main}, 48, 47},
		"the VPN added another one":         {[]listed{local, other(47), ours(48), other(49), main}, 45, 46},
		"the VPN is gone":                   {[]listed{local, ours(46), main}, 49, 50},
		"somebody's rule comes first":       {[]listed{local, other(9), main}, 7, 8},
		"no room before somebody's rule":    {[]listed{local, other(2), main}, 49, 50},
		"an earlier version's":              {[]listed{local, ours(98), ours(100), main}, 49, 50},
	} {
		t.Run(name, func(t *testing.T) {
			inForce, spare := spots(tt.all)
			if inForce != tt.inForce || spare != tt.spare {
				t.Errorf("in force %d, next %d, want %d and %d", inForce, spare, tt.inForce, tt.spare)
			}
		})
	}
}

func TestPlaced(t *testing.T) {
	a, b := mesh.Rule{Table: mesh.TablePods}, mesh.Rule{Table: mesh.TableNodes}
	all := []listed{
		{}, {rule: b, preference: 50, ours: true}, {rule: a, preference: 50, ours: true}, {preference: 51},
		{rule: a, preference: 98, ours: true},
	}
	got := placed(all)
	astray := a
	astray.Astray, astray.Preference = true, 98
	if want := []mesh.Rule{b, a, astray}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, seen := range got {
		meant := ""
		for i, l := range all {
			if l.ours && l.is(seen) {
				meant += fmt.Sprint(i)
			}
		}
		if want := map[mesh.Rule]string{b: "1", a: "24", astray: "4"}[seen]; meant != want {
			t.Errorf("%v is meant by %s, want %s", seen, meant, want)
		}
	}
}

// At any moment of a change, the rules decide as the whole sequence does: the first ones are never gone before the
// last.
func TestFromBehind(t *testing.T) {
	sequence := []int{1, 2, 3}
	if got := fromBehind(sequence); !slices.Equal(got, []int{3, 2, 1}) || sequence[0] != 1 {
		t.Errorf("%v of %v", got, sequence)
	}
}

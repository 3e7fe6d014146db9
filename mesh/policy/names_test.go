package policy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
)

// One set of addresses has one name and one comment, however its blocks are spelled: else it would be chance which of
// the spellings a table has, and a daemon that starts would write the table again.
func TestSpellingsOfBlocks(t *testing.T) {
	long, reversed := rule(), rule()
	for i := range fewBlocks + 1 {
		long.Peers = append(long.Peers, block(fmt.Sprintf("203.0.113.%d/32", 2*i)))
	}
	reversed.Peers = slices.Clone(long.Peers)
	slices.Reverse(reversed.Peers)
	for name, spellings := range map[string][2]Rule{
		"a half": {rule(block("198.51.100.0/24", "198.51.100.0/25")), rule(block("198.51.100.128/25"))},
		"nothing": {
			rule(block("198.51.100.0/24", "198.51.100.0/24")), rule(block("203.0.113.0/24", "203.0.113.0/24")),
		},
		"a list in another order": {long, reversed},
	} {
		in := world(ingress("p", with("app=a"), spellings[0]), ingress("q", with("app=b"), spellings[1]))
		found := map[string]int{}
		for range 50 {
			state, _ := Compile(in)
			found[state.Table.Identity()]++
			if indexed := indexOf(in).State(); indexed.Table.Identity() != state.Table.Identity() {
				found[indexed.Table.Identity()]++
			}
		}
		if len(found) != 1 {
			t.Errorf("%s: %d tables, this often each: %v", name, len(found), slices.Collect(maps.Values(found)))
		}
	}
}

// Sets of one name are equal, whatever the policies are that they are of, and however these are spelled.
func TestOneNameIsOfOneContent(t *testing.T) {
	d := newDice(1)
	sets, blocks := map[string]*set{}, 0
	for range 5_000 {
		kept, _ := keep(d.policy())
		for _, direction := range []direction{ingressDirection, egressDirection} {
			side := direction.side(kept)
			for _, s := range slices.Concat(side.sets[0], side.sets[1]) {
				known := sets[s.name]
				if known == nil {
					sets[s.name] = s
					continue
				}
				if s.kind == blockSet {
					blocks++
				}
				if !sameSet(s, known) {
					t.Fatalf("two sets have one name:\n%+v\n%+v", known.layout(), s.layout())
				}
			}
		}
	}
	if blocks < 100 {
		t.Errorf("only %d sets of blocks met again", blocks)
	}
}

func sameSet(a, b *set) bool {
	return reflect.DeepEqual(a.layout(), b.layout()) && reflect.DeepEqual(a.fixed(), b.fixed()) && a.kind == b.kind &&
		a.group.content() == b.group.content() && slices.Equal(a.ports, b.ports)
}

package policy

import (
	"cmp"
	"slices"

	"warren.mesh/mesh/nft"
)

// State is what should be in force on this node.
type State struct {
	// Table is the whole table, its elements sorted. Sets, chains and elements that are equal have equal names.
	Table nft.Layout
	// Pods is the number of pods that are attached and known, Isolated that of those which a policy isolates, and
	// Policies that of policies that isolate one of them.
	Pods, Isolated, Policies int
}

// sortByName sorts by names.
func sortByName[T any](all []T, name func(T) string) {
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(name(a), name(b)) })
}

func sortElements(all []nft.Element) {
	slices.SortFunc(all, func(a, b nft.Element) int {
		return cmp.Or(cmp.Compare(a.Map, b.Map), cmp.Compare(a.Set, b.Set), slices.Compare(a.Key, b.Key),
			slices.Compare(a.Value, b.Value))
	})
}

// add adds sets and chains to the layout.
func add(l *nft.Layout, sets []*set, profiles []*profile) {
	var of []nft.Set
	for _, s := range sets {
		of = append(of, s.layout())
	}
	sortByName(of, func(s nft.Set) string { return s.Name })
	l.Sets = append(l.Sets, of...)
	l.Chains = append(l.Chains, chainsOf(profiles)...)
}

func chainsOf(profiles []*profile) (chains []nft.Chain) {
	for _, p := range profiles {
		chains = append(chains, p.chain)
	}
	sortByName(chains, func(c nft.Chain) string { return c.Name })
	return chains
}

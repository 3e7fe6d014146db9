package probe

import (
	"math/rand/v2"
	"slices"
)

// deck holds the peers that are yet to be drawn, in no order, before one of them is drawn again.
type deck []string

// draw takes at most so many of all, which is sorted, and none of those that are excluded. A deck that is empty is made
// anew first, and one that runs out gives fewer.
func (d *deck) draw(all []string, most int, excluded []string) (drawn []string) {
	if len(*d) == 0 {
		*d = slices.Clone(all)
		rand.Shuffle(len(*d), func(i, j int) { (*d)[i], (*d)[j] = (*d)[j], (*d)[i] })
	}
	for len(*d) > 0 && len(drawn) < most {
		node := (*d)[0]
		*d = (*d)[1:]
		if has(all, node) && !slices.Contains(excluded, node) {
			drawn = append(drawn, node)
		}
	}
	return drawn
}

// has reports whether a node is among sorted ones.
func has(sorted []string, node string) bool {
	_, found := slices.BinarySearch(sorted, node)
	return found
}

package nft

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/knftables"
)

// Listing is what there is of a table in force: names, comments, and the elements that no rule has added. It has no
// rule's text, so a rule that is rewritten under its old comment goes unnoticed.
type Listing struct {
	// names are the names of the objects by kind, such as "chain", "counter", "set" and "map", sorted.
	names map[string][]string
	// comments are the comments of the rules by chain, in the rules' order.
	comments map[string][]string
	// shapes are those of sets and maps, which share a name space, and chains those of chains. Of knftables' fake there
	// are none.
	shapes map[string]setShape
	chains map[string]chainShape
	// Elements are those of all sets and maps, in the order of their names, but for dynamic ones.
	Elements []Element
}

// List reads the table; the Listing is zero where there is none.
func (t *Table) List(ctx context.Context) (Listing, error) {
	l, err := t.list(ctx)
	if knftables.IsNotFound(err) {
		return Listing{}, nil
	}
	if err != nil {
		return Listing{}, fmt.Errorf("list nftables table %v: %w", t.ID, err)
	}
	return l, nil
}

func newListing() Listing {
	return Listing{
		names: map[string][]string{}, comments: map[string][]string{},
		shapes: map[string]setShape{}, chains: map[string]chainShape{},
	}
}

func (l Listing) sort() {
	for kind := range l.names {
		slices.Sort(l.names[kind])
	}
}

// Origin returns the Origin of the layout that the table was made from; ok is false where the table does not tell.
func (l Listing) Origin() (origin string, ok bool) {
	comments := l.comments[identityChain]
	if len(comments) != 1 {
		return "", false
	}
	return parseIdentity(comments[0])
}

// Is reports whether the table is as Replace makes it of the layout, elements apart: no object is missing or added, and
// no rule is changed, moved or from another version of warren.
func (l Listing) Is(layout Layout) bool {
	want := layout.listing()
	return maps.EqualFunc(l.names, want.names, slices.Equal) && maps.EqualFunc(l.comments, want.comments, slices.Equal)
}

// listing returns what List tells once the layout is in force, without the elements.
func (l Layout) listing() Listing {
	names := map[string][]string{"chain": {identityChain}}
	comments := map[string][]string{identityChain: {l.Identity()}}
	for _, c := range l.Counters {
		names["counter"] = append(names["counter"], c.Name)
	}
	for _, s := range l.Sets {
		names["set"] = append(names["set"], s.Name)
	}
	for _, m := range l.Maps {
		names["map"] = append(names["map"], m.Name)
	}
	for _, c := range l.Chains {
		names["chain"] = append(names["chain"], c.Name)
		for _, r := range c.Rules {
			comments[c.Name] = append(comments[c.Name], r.Comment())
		}
	}
	for kind := range names {
		slices.Sort(names[kind])
	}
	return Listing{names: names, comments: comments}
}

package nft

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/knftables"
)

// Listing is what nft tells of a table in force: names, comments and elements. It tells no rule's text, no comment but
// rules' and no policy, so a rule that is rewritten under its old comment goes unnoticed, as does a changed policy.
type Listing struct {
	// names are the names of the objects by kind, such as "chain", "counter", "set" and "map", sorted.
	names map[string][]string
	// comments are the comments of the rules by chain, in the rules' order.
	comments map[string][]string
	// Elements are those of all sets and maps, in the order of their names.
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

func (t *Table) list(ctx context.Context) (Listing, error) {
	objects, err := t.nft.ListAll(ctx)
	if err != nil {
		return Listing{}, err
	}
	rules, err := t.nft.ListRules(ctx, "")
	if err != nil {
		return Listing{}, err
	}
	l := Listing{names: map[string][]string{}, comments: map[string][]string{}}
	for kind, names := range objects {
		if kind != "table" { // the table itself, which knftables' fake leaves out
			l.names[kind] = slices.Sorted(slices.Values(names))
		}
	}
	for _, r := range rules {
		comment := ""
		if r.Comment != nil {
			comment = *r.Comment
		}
		l.comments[r.Chain] = append(l.comments[r.Chain], comment)
	}
	for _, kind := range []string{"set", "map"} {
		for _, name := range l.names[kind] {
			if l.Elements, err = t.appendElements(ctx, l.Elements, kind, name); err != nil {
				return Listing{}, err
			}
		}
	}
	return l, nil
}

func (t *Table) appendElements(ctx context.Context, to []Element, kind, name string) ([]Element, error) {
	elements, err := t.nft.ListElements(ctx, kind, name)
	for _, e := range elements {
		to = append(to, Element{Set: e.Set, Map: e.Map, Key: e.Key, Value: e.Value})
	}
	return to, err
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

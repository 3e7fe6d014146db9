package nft

import (
	"context"

	"sigs.k8s.io/knftables"
)

// listFake reads the table from knftables' fake.
func (t *Table) listFake(ctx context.Context) (Listing, error) {
	objects, err := t.nft.ListAll(ctx)
	if err != nil {
		return Listing{}, err
	}
	rules, err := t.nft.ListRules(ctx, "")
	if err != nil {
		return Listing{}, err
	}
	l := newListing()
	for kind, names := range objects {
		l.names[kind] = names
	}
	l.sort()
	for _, r := range rules {
		comment := ""
		if r.Comment != nil {
			comment = *r.Comment
		}
		l.comments[r.Chain] = append(l.comments[r.Chain], comment)
	}
	for _, kind := range []string{"set", "map"} {
		for _, name := range l.names[kind] {
			elements, err := t.nft.ListElements(ctx, kind, name)
			if err != nil {
				return Listing{}, err
			}
			for _, e := range elements {
				l.Elements = append(l.Elements, Element{Set: e.Set, Map: e.Map, Key: e.Key, Value: e.Value})
			}
		}
	}
	return l, nil
}

// countFake reads the counters from knftables' fake, in which nothing counts.
func (t *Table) countFake(ctx context.Context) (map[string]uint64, error) {
	names, err := t.nft.List(ctx, "counter")
	if knftables.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	packets := make(map[string]uint64, len(names))
	for _, name := range names {
		packets[name] = 0
	}
	return packets, nil
}

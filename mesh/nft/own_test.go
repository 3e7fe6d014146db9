package nft

import (
	"errors"
	"testing"
)

func TestOwnWrites(t *testing.T) {
	var generation uint32
	var unreadable error
	commits := func(n uint32, err error) func() error {
		return func() error { generation += n; return err }
	}
	for name, c := range map[string]struct {
		from   uint32
		run    func() error
		broken error
		own    []uint32
		others []uint32
	}{
		"one change":                    {run: commits(1, nil), own: []uint32{1}, others: []uint32{1, 2}},
		"a change that changes nothing": {run: commits(0, nil), others: []uint32{0, 1}},
		"another table's meanwhile":     {run: commits(2, nil), own: []uint32{1}, others: []uint32{2, 3}},
		"another's of ours meanwhile":   {run: commits(2, nil), own: []uint32{2}, others: []uint32{1, 3}},
		"failed":                        {run: commits(1, errors.New("nft")), others: []uint32{1}},
		"generation unreadable":         {run: commits(1, nil), broken: errors.New("netlink"), others: []uint32{1}},
		"the last generation and the first": {
			from: 1<<32 - 1, run: commits(2, nil), own: []uint32{1}, others: []uint32{1<<32 - 1, 2},
		},
	} {
		generation, unreadable = c.from, c.broken
		writes := ownWrites{generation: func() (uint32, error) { return generation, unreadable }}
		writes.watch()
		_ = writes.record(c.run)
		for _, g := range c.own {
			if !writes.take(g) {
				t.Errorf("%s: generation %d is not taken for an own one", name, g)
			}
		}
		for _, g := range c.others {
			if writes.take(g) {
				t.Errorf("%s: generation %d is taken for an own one", name, g)
			}
		}
	}
}

func TestOwnWritesUnwatched(t *testing.T) {
	writes := ownWrites{generation: func() (uint32, error) {
		t.Error("the generation was read, though nobody watches")
		return 0, nil
	}}
	done := writes.watch()
	done()
	if err := writes.record(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

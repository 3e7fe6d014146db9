package nft

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDiff(t *testing.T) {
	table, _ := fakeTable()
	testDiffs(t, table)
}

func TestPrivilegedDiff(t *testing.T) { testDiffs(t, kernelTable(t)) }

// testDiffs takes a table from one layout to another and back, by edits.
func testDiffs(t *testing.T, table *Table) {
	t.Helper()
	if err := table.Replace(t.Context(), withDynamic()); err != nil {
		t.Fatal(err)
	}
	want, after := testEdit()
	edit := diff(t, table, after)
	want.Flush = nil // nobody but the layout's author knows
	if d := cmp.Diff(want, edit, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("edit (-want +got):\n%s", d)
	}
	for _, l := range []Layout{after, withDynamic(), after} {
		if err := table.Apply(t.Context(), diff(t, table, l)); err != nil {
			t.Fatal(err)
		}
		if edit := diff(t, table, l); !edit.Empty() {
			t.Errorf("the table is not as the layout has it: %+v", edit)
		}
	}
}

// diff is what Diff says of the table as it is now.
func diff(t *testing.T, table *Table, want Layout) Edit {
	t.Helper()
	l, err := table.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	edit, ok := Diff(l, want)
	if !ok {
		t.Fatalf("the table has to be replaced: %+v", l)
	}
	return edit
}

// TestPrivilegedDiffGivesUp changes what no edit can change.
func TestPrivilegedDiffGivesUp(t *testing.T) {
	table := kernelTable(t)
	if l, err := table.List(t.Context()); err != nil {
		t.Fatal(err)
	} else if _, ok := Diff(l, withDynamic()); ok {
		t.Error("an absent table can be edited")
	}
	if err := table.Replace(t.Context(), withDynamic()); err != nil {
		t.Fatal(err)
	}
	listed, err := table.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Layout){
		"another origin":       func(l *Layout) { l.Origin = "another test" },
		"a counter less":       func(l *Layout) { l.Counters = nil },
		"a set's type":         func(l *Layout) { l.Sets[0].Type = "ipv6_addr" },
		"a set's comment":      func(l *Layout) { l.Sets[0].Comment = "" },
		"a set of prefixes":    func(l *Layout) { l.Sets[0].Interval = true },
		"a set's size":         func(l *Layout) { l.Sets[2].Size = 1 },
		"a set's timeout":      func(l *Layout) { l.Sets[2].Timeout = 1 },
		"a map's type":         func(l *Layout) { l.Maps[0].Type = "ipv6_addr : verdict" },
		"a map's values":       func(l *Layout) { l.Maps[0].Type = "ipv4_addr : mark" },
		"a chain's comment":    func(l *Layout) { l.Chains[1].Comment = "" },
		"a chain's priority":   func(l *Layout) { l.Chains[0].Priority = "raw" },
		"a chain's hook":       func(l *Layout) { l.Chains[0].Hook = "" },
		"another base chain":   func(l *Layout) { l.Chains[0].Name = "guard-in" },
		"a rule's text":        func(l *Layout) { l.Chains[1].Rules[0].Text = "accept" },
		"a rule less":          func(l *Layout) { l.Chains[0].Rules = l.Chains[0].Rules[1:] },
		"rules in other order": func(l *Layout) { r := l.Chains[0].Rules; r[0], r[1] = r[1], r[0] },
	} {
		l := withDynamic()
		change(&l)
		if edit, ok := Diff(listed, l); ok {
			t.Errorf("%s: an edit would do: %+v", what, edit)
		}
	}
}

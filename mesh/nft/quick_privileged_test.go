package nft

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/knftables"
)

// TestPrivilegedQuick takes elements of each type away and adds them again without the nft command: they are as the
// command has written them.
func TestPrivilegedQuick(t *testing.T) {
	table, want := portsTable(t)
	var some []Element
	for _, e := range want.Elements {
		if !slices.Contains([]string{"blocks4", "blocks6", "numbers", "numbers4"}, e.Set+e.Map) {
			some = append(some, e)
		}
	}
	for _, step := range []struct {
		edit Edit
		left int
	}{
		{Edit{Remove: some}, len(want.Elements) - len(some)},
		{Edit{Add: some}, len(want.Elements)},
		{Edit{Remove: some[:2], Add: some[:2]}, len(want.Elements)},
		{Edit{Flush: []string{"bound6"}}, len(want.Elements) - 1},
	} {
		if err := quick([]*Table{table}, []Edit{step.edit}); err != nil {
			t.Fatalf("%+v: %v", step.edit, err)
		}
		l, err := table.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Elements) != step.left {
			t.Errorf("after %+v: %v", step.edit, l.Elements)
		}
		if d := cmp.Diff(want.Elements, l.Elements); len(l.Elements) == len(want.Elements) && d != "" {
			t.Errorf("after %+v (-want +got):\n%s", step.edit, d)
		}
	}
}

// TestPrivilegedQuickSettles closes the socket of an edit that flushes before the edit returns: with that the kernel
// waits, where it does, until no packet is judged by the rules from before.
func TestPrivilegedQuickSettles(t *testing.T) {
	table, _ := portsTable(t)
	before := openFiles(t)
	for range 5 {
		if err := quick([]*Table{table}, []Edit{{Flush: []string{"bound6"}}}); err != nil {
			t.Fatal(err)
		}
		if after := openFiles(t); after > before {
			t.Fatalf("%d open files, %d before", after, before)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// TestPrivilegedNotQuick has the nft command make what only it can, and say why something fails, of which nothing is
// done.
func TestPrivilegedNotQuick(t *testing.T) {
	table, _ := portsTable(t)
	present := Element{Set: "ports", Key: []string{"veth1"}}
	absent := Element{Set: "ports", Key: []string{"veth7"}}
	none := Element{Set: "none", Key: []string{"veth1"}}
	value := Element{Map: "numbers4", Key: []string{"10.0.0.2"}, Value: []string{"81"}}
	nowhere := Element{Map: "verdicts", Key: []string{"fd00::9"}, Value: []string{"jump nowhere"}}
	for name, c := range map[string]struct {
		edit Edit
		is   func(error) bool
	}{
		"an interval": {Edit{Add: []Element{{Set: "blocks4", Key: []string{"192.0.2.0/24"}}}}, nil},
		"a value":     {Edit{Add: []Element{value}}, nil},
		"an absent element": {
			Edit{Add: []Element{{Set: "ports", Key: []string{"new"}}}, Remove: []Element{absent}}, knftables.IsNotFound,
		},
		"an element that is there":  {Edit{Add: []Element{absent, present}}, knftables.IsAlreadyExists},
		"an absent set":             {Edit{Add: []Element{none}}, knftables.IsNotFound},
		"a chain that is not there": {Edit{Add: []Element{nowhere}}, knftables.IsNotFound},
	} {
		before := listed(t, table)
		if err := quick([]*Table{table}, []Edit{c.edit}); err == nil {
			t.Errorf("%s: quick", name)
		}
		if d := cmp.Diff(before, listed(t, table)); d != "" {
			t.Errorf("%s: something is done:\n%s", name, d)
		}
		err := table.Apply(t.Context(), c.edit)
		if c.is == nil && err != nil || c.is != nil && !c.is(err) {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(before, listed(t, table)); (d != "") != (err == nil) {
			t.Errorf("%s: %v, and what is done:\n%s", name, err, d)
		}
	}
	more := Edit{Sets: []Set{{Name: "more", Type: "ifname"}}}
	if err := quick([]*Table{table}, []Edit{more}); !errors.Is(err, errNotQuick) {
		t.Errorf("a set: %v", err)
	}
}

func listed(t *testing.T, table *Table) []Element {
	t.Helper()
	l, err := table.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l.Elements
}

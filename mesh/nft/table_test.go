package nft

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/knftables"
)

// testLayout has one of everything.
func testLayout() Layout {
	return Layout{
		ID:       guardID,
		Comment:  "for tests",
		Origin:   "a test",
		Counters: []Counter{{Name: "dropped", Comment: "dropped: all of it"}},
		Sets: []Set{
			{Name: "nodes4", Type: "ipv4_addr", Comment: "addresses of nodes"},
			{Name: "ranges", Type: "ipv4_addr", Comment: "prefixes", Interval: true},
		},
		Maps: []Map{{Name: "verdicts", Type: "ipv4_addr : verdict", Comment: "what applies to whom"}},
		Chains: []Chain{
			{
				Name: "guard-out", Comment: "packets come", Type: "filter", Hook: "postrouting", Priority: "srcnat-10",
				Rules: []Rule{
					{Text: "ip daddr @ranges jump profile", Reason: "in a range"},
					{Text: "ip saddr vmap @verdicts", Reason: "by source"},
				},
			},
			{Name: "profile", Comment: "others jump here", Rules: []Rule{
				{Text: `ip saddr @nodes4 counter name "dropped" drop`, Reason: "from a node"},
			}},
		},
		Elements: []Element{
			{Set: "nodes4", Key: []string{"172.31.9.1"}},
			{Set: "nodes4", Key: []string{"172.31.9.2"}},
			{Set: "ranges", Key: []string{"10.0.0.0/8"}},
			{Map: "verdicts", Key: []string{"10.0.0.1"}, Value: []string{"goto profile"}},
		},
	}
}

func node(ip string) []Element { return []Element{{Set: "nodes4", Key: []string{ip}}} }

func noCount() {}

func fakeTable() (*Table, *knftables.Fake) {
	fake := knftables.NewFake(knftables.InetFamily, "warren")
	return New(guardID, fake, noCount), fake
}

func TestReplace(t *testing.T) {
	table, fake := fakeTable()
	if err := table.Replace(t.Context(), testLayout()); err != nil {
		t.Fatal(err)
	}
	identity := testLayout().Identity()
	want := `add table inet warren
delete table inet warren
add table inet warren { comment "for tests" ; }
add counter inet warren dropped { comment "dropped: all of it" ; }
add set inet warren nodes4 { typeof ip saddr ; comment "addresses of nodes" ; }
add set inet warren ranges { typeof ip saddr ; flags interval ; comment "prefixes" ; }
add map inet warren verdicts { typeof ip saddr : verdict ; comment "what applies to whom" ; }
add chain inet warren about { comment "what the table was made from; no packet comes here" ; }
add rule inet warren about return comment "` + identity + `"
add chain inet warren profile { comment "others jump here" ; }
add chain inet warren guard-out { type filter hook postrouting priority 90 ; policy accept ; comment "packets come" ; }
add rule inet warren guard-out ip daddr @ranges jump profile comment "in a range #07337604"
add rule inet warren guard-out ip saddr vmap @verdicts comment "by source #772f07e9"
add rule inet warren profile ip saddr @nodes4 counter name "dropped" drop comment "from a node #0850f768"
add element inet warren nodes4 { 172.31.9.1 }
add element inet warren nodes4 { 172.31.9.2 }
add element inet warren ranges { 10.0.0.0/8 }
add element inet warren verdicts { 10.0.0.1 : goto profile }
`
	if diff := cmp.Diff(want, fake.LastTransaction.String()); diff != "" {
		t.Errorf("transaction (-want +got):\n%s", diff)
	}
}

func TestReplaceRefusesAnotherTablesLayout(t *testing.T) {
	table, fake := fakeTable()
	l := testLayout()
	l.Name = "warren-policy"
	if err := table.Replace(t.Context(), l); err == nil || fake.LastTransaction != nil {
		t.Errorf("replaced with %v, error %v", l.ID, err)
	}
}

func TestList(t *testing.T) {
	table, _ := fakeTable()
	if l, err := table.List(t.Context()); err != nil || l.Is(testLayout()) {
		t.Errorf("an absent table: %+v, %v", l, err)
	}
	testLists(t, table)
}

// testLists replaces the table and reads it back.
func testLists(t *testing.T, table *Table) {
	t.Helper()
	if err := table.Replace(t.Context(), testLayout()); err != nil {
		t.Fatal(err)
	}
	l, err := table.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if origin, ok := l.Origin(); !ok || origin != "a test" {
		t.Errorf("origin %q, %v", origin, ok)
	}
	if diff := cmp.Diff(testLayout().Elements, l.Elements); diff != "" {
		t.Errorf("elements (-want +got):\n%s", diff)
	}
	if !l.Is(testLayout()) {
		t.Errorf("the table is not what was written: %+v", l)
	}
	for what, change := range map[string]func(*Layout){
		"another comment":    func(l *Layout) { l.Comment = "" },
		"another origin":     func(l *Layout) { l.Origin = "another test" },
		"a map less":         func(l *Layout) { l.Maps = nil },
		"another set's type": func(l *Layout) { l.Sets[0].Type = "ipv6_addr" },
		"another priority":   func(l *Layout) { l.Chains[0].Priority = "raw" },
		"a rule's text":      func(l *Layout) { l.Chains[1].Rules[0].Text = "accept" },
	} {
		other := testLayout()
		change(&other)
		if l.Is(other) {
			t.Errorf("%s: not noticed", what)
		}
	}
}

func TestEdit(t *testing.T) {
	fake := knftables.NewFake(knftables.InetFamily, "warren")
	written := 0
	table := New(guardID, fake, func() { written++ })
	if err := table.Replace(t.Context(), testLayout()); err != nil {
		t.Fatal(err)
	}
	remove := append(node("172.31.9.1"), node("172.31.9.99")...)
	if err := table.Edit(t.Context(), node("172.31.9.4"), remove); err != nil {
		t.Fatal(err)
	}
	want := `add element inet warren nodes4 { 172.31.9.4 }
add element inet warren nodes4 { 172.31.9.1 }
delete element inet warren nodes4 { 172.31.9.1 }
add element inet warren nodes4 { 172.31.9.99 }
delete element inet warren nodes4 { 172.31.9.99 }
`
	if diff := cmp.Diff(want, fake.LastTransaction.String()); diff != "" {
		t.Errorf("transaction (-want +got):\n%s", diff)
	}
	if err := table.Edit(t.Context(), nil, nil); err != nil {
		t.Errorf("an empty edit: %v", err)
	}
	if written != 2 {
		t.Errorf("%d transactions counted, want 2", written)
	}
}

func TestEditNeedsTable(t *testing.T) {
	table, _ := fakeTable()
	if err := table.Edit(t.Context(), node("172.31.9.4"), nil); !knftables.IsNotFound(err) {
		t.Errorf("edit without a table: %v, want not found", err)
	}
}

func TestDelete(t *testing.T) {
	table, fake := fakeTable()
	if err := table.Delete(t.Context()); err != nil {
		t.Errorf("delete what is absent: %v", err)
	}
	if err := table.Replace(t.Context(), testLayout()); err != nil {
		t.Fatal(err)
	}
	if err := table.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if dump := fake.Dump(); dump != "" {
		t.Errorf("left after deletion:\n%s", dump)
	}
}

// Of a table that is absent, nothing was counted, not zero.
func TestCounters(t *testing.T) {
	table, _ := fakeTable()
	for _, step := range []struct {
		change func() error
		want   map[string]uint64
	}{
		{func() error { return nil }, nil},
		{func() error { return table.Replace(t.Context(), testLayout()) }, map[string]uint64{"dropped": 0}},
		{func() error { return table.Replace(t.Context(), Layout{ID: guardID}) }, map[string]uint64{}},
		{func() error { return table.Delete(t.Context()) }, nil},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		got, err := table.Counters(t.Context())
		if diff := cmp.Diff(step.want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}

// brokenNFT fails at everything.
type brokenNFT struct{ *knftables.Fake }

var errBroken = errors.New("nft: broken")

func (brokenNFT) Run(context.Context, *knftables.Transaction) error { return errBroken }

func (brokenNFT) ListAll(context.Context) (map[string][]string, error) { return nil, errBroken }

func (brokenNFT) List(context.Context, string) ([]string, error) { return nil, errBroken }

func TestErrors(t *testing.T) {
	table := New(guardID, brokenNFT{knftables.NewFake(knftables.InetFamily, "warren")}, noCount)
	_, errList := table.List(t.Context())
	_, errCounters := table.Counters(t.Context())
	for what, err := range map[string]error{
		"replace":  table.Replace(t.Context(), testLayout()),
		"edit":     table.Edit(t.Context(), node("172.31.9.4"), nil),
		"delete":   table.Delete(t.Context()),
		"list":     errList,
		"counters": errCounters,
	} {
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: %v, want nft's error wrapped", what, err)
		}
	}
}

package nft

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/knftables"
)

// withDynamic is testLayout with a set whose elements rules add, and only an element refers to the profile.
func withDynamic() Layout {
	l := testLayout()
	l.Chains[0].Rules[0] = Rule{Text: "ip daddr @ranges accept", Reason: "in a range"}
	l.Sets = append(l.Sets, Set{
		Name: "fresh4", Comment: "let through", Typeof: "ct id . ct original ip saddr", Dynamic: true,
		Timeout: 120, Size: 65536,
	})
	return l
}

// testEdit is an edit with one of everything, and what it makes of testLayout.
func testEdit() (Edit, Layout) {
	after := withDynamic()
	after.Sets = append(after.Sets[1:], Set{Name: "peers", Type: "ipv4_addr . inet_service", Comment: "new"})
	after.Maps = append(after.Maps, Map{Name: "more", Type: "ipv4_addr : verdict", Comment: "new"})
	after.Chains[1] = Chain{Name: "new", Comment: "others jump here", Rules: []Rule{
		{Text: "ip saddr . tcp dport @peers return", Reason: "from a peer"}, {Text: "jump newer", Reason: "the rest"},
	}}
	after.Chains = append(after.Chains, Chain{Name: "newer", Comment: "new jumps here"})
	after.Elements = []Element{
		{Map: "more", Key: []string{"10.0.0.2"}, Value: []string{"drop"}},
		{Set: "peers", Key: []string{"10.0.0.9", "80"}},
		{Set: "ranges", Key: []string{"10.0.0.0/8"}},
		{Map: "verdicts", Key: []string{"10.0.0.1"}, Value: []string{"jump new"}},
	}
	return Edit{
		Sets: after.Sets[2:], Maps: after.Maps[1:], Chains: after.Chains[1:],
		Flush: []string{"fresh4"},
		Remove: []Element{
			{Map: "verdicts", Key: []string{"10.0.0.1"}, Value: []string{"goto profile"}},
		},
		Add:        []Element{after.Elements[0], after.Elements[1], after.Elements[3]},
		DropChains: []string{"profile"}, DropSets: []string{"nodes4"},
	}, after
}

// transcript is a fake that keeps the transactions.
type transcript struct {
	*knftables.Fake
	all *[]string
}

func (n transcript) Run(ctx context.Context, tx *knftables.Transaction) error {
	*n.all = append(*n.all, tx.String())
	return n.Fake.Run(ctx, tx)
}

func TestApply(t *testing.T) {
	var all []string
	table := New(guardID, transcript{knftables.NewFake(knftables.InetFamily, "warren"), &all}, noCount)
	if err := table.Replace(t.Context(), withDynamic()); err != nil {
		t.Fatal(err)
	}
	edit, after := testEdit()
	if err := table.Apply(t.Context(), edit); err != nil {
		t.Fatal(err)
	}
	first, second := after.Chains[1].Rules[0].Comment(), after.Chains[1].Rules[1].Comment()
	want := []string{`create set inet warren peers { type ipv4_addr . inet_service ; comment "new" ; }
add map inet warren more { typeof ip saddr : verdict ; comment "new" ; }
create chain inet warren new { comment "others jump here" ; }
create chain inet warren newer { comment "new jumps here" ; }
add rule inet warren new ip saddr . tcp dport @peers return comment "` + first + `"
add rule inet warren new jump newer comment "` + second + `"
create element inet warren more { 10.0.0.2 : drop }
create element inet warren peers { 10.0.0.9 . 80 }
`, `flush set inet warren fresh4
delete element inet warren verdicts { 10.0.0.1 }
create element inet warren verdicts { 10.0.0.1 : jump new }
flush chain inet warren profile
delete chain inet warren profile
delete set inet warren nodes4
`}
	if diff := cmp.Diff(want, all[1:]); diff != "" {
		t.Errorf("transactions (-want +got):\n%s", diff)
	}
}

func TestApplyNothing(t *testing.T) {
	written := 0
	table := New(guardID, brokenNFT{knftables.NewFake(knftables.InetFamily, "warren")}, func() { written++ })
	if err := table.Apply(t.Context(), Edit{}); err != nil || written != 0 {
		t.Errorf("an empty edit: %v, %d transactions", err, written)
	}
}

func TestApplyToAnotherTable(t *testing.T) {
	table, _ := fakeTable()
	if err := table.Replace(t.Context(), testLayout()); err != nil {
		t.Fatal(err)
	}
	absent := Edit{Remove: node("172.31.9.99")}
	if err := table.Apply(t.Context(), absent); !knftables.IsNotFound(err) {
		t.Errorf("remove what is absent: %v, want not found", err)
	}
	present := Edit{Add: node("172.31.9.1")}
	if err := table.Apply(t.Context(), present); !knftables.IsAlreadyExists(err) {
		t.Errorf("add what is there: %v, want already exists", err)
	}
}

package nft

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/knftables"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// kernelTable is the real thing, in a network namespace of its own, where the calling goroutine stays.
func kernelTable(t *testing.T) *Table {
	t.Helper()
	meshtest.Privileged(t)
	namespace.Enter(t)
	table, err := Open(guardID, noCount)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestPrivilegedList(t *testing.T) { testLists(t, kernelTable(t)) }

// watched is tables in a namespace of their own, with a watcher that tells the generations of changes.
type watched struct {
	*Table
	// policy is another table of the same Watch.
	policy  *Table
	changes chan change
}

type change struct {
	table      *Table
	generation uint32
}

func watchedTables(t *testing.T) watched {
	t.Helper()
	w := watched{Table: kernelTable(t), changes: make(chan change, 100)}
	var err error
	if w.policy, err = Open(ID{Family: "inet", Name: "warren-policy"}, noCount); err != nil {
		t.Fatal(err)
	}
	watch, err := Subscribe(w.Table, w.policy)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- watch.Run(ctx, func(t *Table, g uint32) { w.changes <- change{t, g} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	return w
}

// noticed makes one more change, which is waited for, and fails unless just so many changes of either table were
// noticed before.
func (w watched) noticed(t *testing.T, what string, want, wantPolicy int) {
	t.Helper()
	namespace.Run(t, "nft add chain inet warren sentinel\nnft delete chain inet warren sentinel")
	sentinel, err := rulesetGeneration()
	if err != nil {
		t.Fatal(err)
	}
	got := map[*Table]int{w.Table: -1} // the addition of the sentinel
	for c := range w.changes {
		if c.generation == sentinel {
			break
		}
		got[c.table]++
	}
	if got[w.Table] != want || got[w.policy] != wantPolicy {
		t.Errorf("%s: %d changes noticed and %d of the other table, want %d and %d",
			what, got[w.Table], got[w.policy], want, wantPolicy)
	}
}

func TestPrivilegedWatch(t *testing.T) {
	w := watchedTables(t)
	own := func(what string, do func() error) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		w.noticed(t, what, 0, 0)
	}
	replace := func() error { return w.Replace(t.Context(), testLayout()) }
	add := func() error { return w.Edit(t.Context(), node("172.31.9.4"), nil) }
	policy := testLayout()
	policy.ID = w.policy.ID
	own("own replacement of nothing", replace)
	own("own replacement", replace)
	own("own edit", add)
	own("own edit that changes nothing", add)
	own("own replacement of the other table", func() error { return w.policy.Replace(t.Context(), policy) })

	for _, c := range []struct {
		what, commands   string
		want, wantPolicy int
	}{
		{"element deleted", "nft delete element inet warren nodes4 { 172.31.9.4 }", 1, 0},
		{"chain flushed", "nft flush chain inet warren guard-out", 1, 0},
		{"another table", "nft add table inet kube-proxy", 0, 0},
		{"a table of the same name", "nft add table ip warren", 0, 0},
		{"element of the other table deleted", "nft delete element inet warren-policy nodes4 { 172.31.9.1 }", 0, 1},
		{"ruleset flushed, an empty table back", "nft flush ruleset\nnft add table inet warren", 2, 1},
	} {
		namespace.Run(t, c.commands)
		w.noticed(t, c.what, c.want, c.wantPolicy)
	}
	own("own repair", replace)
}

// TestPrivilegedWatchBusy replaces the table while another program writes its own all the time.
func TestPrivilegedWatchBusy(t *testing.T) {
	w := watchedTables(t)
	other, err := knftables.New(knftables.IPv4Family, "kube-proxy")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		tx := other.NewTransaction()
		tx.Add(&knftables.Table{})
		tx.Delete(&knftables.Table{})
		tx.Add(&knftables.Table{})
		tx.Add(&knftables.Set{Name: "services", Type: "ipv4_addr"})
		for j := range 2000 {
			tx.Add(&knftables.Element{Set: "services", Key: []string{fmt.Sprintf("10.96.%d.%d", j>>8, j&0xff)}})
		}
		if err := other.Run(t.Context(), tx); err != nil {
			t.Fatalf("transaction %d: %v", i, err)
		}
		if err := w.Replace(t.Context(), testLayout()); err != nil {
			t.Fatal(err)
		}
	}
	w.noticed(t, "10 own replacements among another table's", 0, 0)
}

// TestPrivilegedEditIsIncremental counts the kernel's notifications of one node's coming and going among 5,000.
func TestPrivilegedEditIsIncremental(t *testing.T) {
	table := kernelTable(t)
	l := testLayout()
	for i := range 5000 {
		l.Elements = append(l.Elements, node(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}).String())...)
	}
	if err := table.Replace(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	conn, err := joinRuleset()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	add := append(node("172.31.9.9"), node("172.31.9.10")...)
	if err := table.Edit(t.Context(), add, node("172.16.0.7")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "15") {
		messages, err := conn.Receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			got = append(got, fmt.Sprintf("%d %s", m.Header.Type&0xff, tableOf(m)))
		}
	}
	// NFT_MSG_NEWSETELEM twice, NFT_MSG_DELSETELEM, NFT_MSG_NEWGEN.
	if diff := cmp.Diff([]string{"12 warren", "12 warren", "14 warren"}, got[:len(got)-1]); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	listed, err := table.List(t.Context())
	if err != nil || len(listed.Elements) != len(l.Elements)+1 {
		t.Errorf("%d elements, %v", len(listed.Elements), err)
	}
}

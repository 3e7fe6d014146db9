package guard

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/knftables"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/nft"
	"warren.mesh/test/golden"
	"warren.mesh/test/lab/namespace"
)

// openTable opens the table of the calling thread's namespace.
func openTable(t *testing.T) *nft.Table {
	t.Helper()
	table, err := nft.Open(Table, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// kernelTable opens the table of a new namespace, in which it leaves the calling goroutine.
func kernelTable(t *testing.T) *nft.Table {
	t.Helper()
	meshtest.Privileged(t)
	namespace.Enter(t)
	return openTable(t)
}

func TestPrivilegedParsesWhatItMade(t *testing.T) {
	meshtest.Privileged(t)
	for name, fw := range firewalls() {
		t.Run(name, func(t *testing.T) {
			testParses(t, kernelTable(t), fw)
		})
	}
}

func TestPrivilegedTampering(t *testing.T) {
	meshtest.Privileged(t)
	for _, c := range tamperings() {
		t.Run(c.name, func(t *testing.T) {
			namespace.Enter(t)
			kernel, err := knftables.New(knftables.InetFamily, Table.Name)
			if err != nil {
				t.Fatal(err)
			}
			testTampering(t, kernel, c)
		})
	}
}

func TestPrivilegedRulesetFlushed(t *testing.T) {
	table := kernelTable(t)
	testParses(t, table, dualFirewall())
	namespace.Run(t, "nft flush ruleset")
	if got := observe(t, table); got.Link != "" {
		t.Errorf("observed %+v after the ruleset was flushed", got)
	}
	if counters, err := table.Counters(t.Context()); err != nil || counters != nil {
		t.Errorf("counters %v, %v after the ruleset was flushed", counters, err)
	}
	if err := table.Delete(t.Context()); err != nil {
		t.Errorf("delete what is absent: %v", err)
	}
	testParses(t, table, dualFirewall())
}

// TestPrivilegedListing is for the operator's eyes. The words are those of nft 1.0.6, Debian 12's.
func TestPrivilegedListing(t *testing.T) {
	table := kernelTable(t)
	if err := table.Replace(t.Context(), Layout(firewalls()["node-cidrs"])); err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "testdata/listing.txt", namespace.Run(t, "nft list table inet warren"))
}

func TestPrivilegedCounters(t *testing.T) {
	table := kernelTable(t)
	if err := table.Replace(t.Context(), Layout(dualFirewall())); err != nil {
		t.Fatal(err)
	}
	got, err := table.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{
		leakPod: 0, leakNode: 0, leakSource: 0, loop: 0, masqueradedIntoMesh: 0, plainToPod: 0, spoofedByPod: 0,
		spoofedOnUnderlay: 0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

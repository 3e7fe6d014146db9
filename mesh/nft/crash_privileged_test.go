package nft

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/debian13"
	"warren.mesh/test/lab/namespace"
)

// newer has Debian 13's nft write a table of somebody else's, with these sets.
func newer(t *testing.T, sets string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), debian13.NFTFor(t)+"/nft", "-f", "-")
	c.Stdin = strings.NewReader("table inet fw {}\ndelete table inet fw\ntable inet fw {\n" + sets + "\n}\n")
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("nft of Debian 13: %v\n%s", err, said)
	}
}

// TestPrivilegedNFTCrash: a set that Debian 13's nft has written crashes this host's, 1.0.6. The error says which set,
// and the remedy that it names is one.
func TestPrivilegedNFTCrash(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	table, err := Open(guardID, func() {})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		sets string
		want []UnreadableSet
	}{
		{"set s { type ipv4_addr; }\nmap m { type ipv4_addr : verdict; }\nset o { typeof ip saddr; }",
			[]UnreadableSet{{ID{Family: "inet", Name: "fw"}, "m"}, {ID{Family: "inet", Name: "fw"}, "s"}}},
		{"set s { typeof ip saddr; }\nmap m { typeof ip saddr : verdict; }\nset c { type ipv4_addr . inet_service; }",
			nil},
	} {
		newer(t, tt.sets)
		sets, err := UnreadableSets()
		if diff := cmp.Diff(tt.want, sets); diff != "" || err != nil {
			t.Errorf("unreadable sets of %q: %v (-want +got):\n%s", tt.sets, err, diff)
		}
		err = table.Replace(t.Context(), Layout{ID: guardID})
		switch {
		case tt.want == nil && err != nil:
			t.Errorf("with %q: %v", tt.sets, err)
		case tt.want != nil && (!errors.Is(err, ErrCrashed) || !strings.Contains(err.Error(), tt.want[0].String())):
			t.Errorf("with %q: %v; want a crash, with its cause", tt.sets, err)
		}
	}
}

// TestPrivilegedNFTCrashHarmsNoEdit: beside a set that crashes nft, a table that is in force is edited, read and
// deleted.
func TestPrivilegedNFTCrashHarmsNoEdit(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	table, err := Open(guardID, func() {})
	if err != nil {
		t.Fatal(err)
	}
	layout := Layout{
		ID: guardID, Origin: "a test", Counters: []Counter{{Name: "seen"}},
		Sets: []Set{{Name: "nodes", Type: "ipv4_addr"}, {Name: "nodes6", Type: "ipv6_addr"}},
		Chains: []Chain{{Name: "in", Type: "filter", Hook: "input", Priority: "0",
			Rules: []Rule{{Text: "counter name seen"}}}},
	}
	if err := table.Replace(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	newer(t, "set s { type ipv4_addr; }")
	four, six := Element{Set: "nodes", Key: []string{"192.0.2.1"}}, Element{Set: "nodes6", Key: []string{"2001:db8::1"}}
	absent := Element{Set: "nodes", Key: []string{"192.0.2.9"}}
	for _, step := range []struct {
		name              string
		add, remove, want []Element
	}{
		{"add", []Element{four, six}, nil, []Element{four, six}},
		{"add what is there", []Element{four}, nil, []Element{four, six}},
		{"remove, also what is absent", nil, []Element{four, absent}, []Element{six}},
		{"both", []Element{four}, []Element{six}, []Element{four}},
	} {
		if err := table.Edit(t.Context(), step.add, step.remove); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		listed, err := table.List(t.Context())
		if diff := cmp.Diff(step.want, listed.Elements); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", step.name, err, diff)
		}
	}
	namespace.Run(t, "ip link set lo up\nping -c 1 127.0.0.1")
	counters, err := table.Counters(t.Context())
	if diff := cmp.Diff(map[string]uint64{"seen": 2}, counters); diff != "" || err != nil {
		t.Errorf("counters: %v (-want +got):\n%s", err, diff)
	}
	for range 2 {
		if err := table.Delete(t.Context()); err != nil {
			t.Error(err)
		}
		if there, err := table.Exists(); there || err != nil {
			t.Errorf("deleted, and there: %t, %v", there, err)
		}
	}
	if counters, err := table.Counters(t.Context()); counters != nil || err != nil {
		t.Errorf("counters of no table: %v, %v", counters, err)
	}
}

package nft

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// portsLayout has elements of every type that warren's tables have, sorted as List returns them.
func portsLayout() Layout {
	concatenation := "ipv4_addr . inet_proto . inet_service"
	return Layout{
		ID: ID{Family: "bridge", Name: "warren"}, Origin: "a test",
		Sets: []Set{
			{Name: "blocks4", Type: "ipv4_addr", Interval: true},
			{Name: "blocks6", Type: "ipv6_addr", Interval: true},
			{Name: "bound6", Type: "ifname . ether_addr . ipv6_addr"},
			{Name: "named", Type: concatenation},
			{Name: "numbers", Type: "inet_service", Interval: true},
			{Name: "ports", Type: "ifname"},
			{Name: "target6", Typeof: "iifname . @th,64,128"},
		},
		Maps: []Map{
			{Name: "numbers4", Type: "ipv4_addr : inet_service"},
			{Name: "verdicts", Type: "ipv6_addr : verdict"},
		},
		Chains: []Chain{{Name: "profile"}},
		Elements: []Element{
			{Set: "blocks4", Key: []string{"0.0.0.0/8"}},
			{Set: "blocks4", Key: []string{"10.0.0.0/25"}},
			{Set: "blocks4", Key: []string{"10.0.0.128/25"}},
			{Set: "blocks4", Key: []string{"10.1.0.1"}},
			{Set: "blocks4", Key: []string{"10.1.0.2"}},
			{Set: "blocks4", Key: []string{"10.2.0.1-10.2.0.6"}},
			{Set: "blocks4", Key: []string{"240.0.0.0/4"}},
			{Set: "blocks6", Key: []string{"::/0"}},
			{Set: "bound6", Key: []string{"veth1", "02:00:00:00:00:01", "fd00::1"}},
			{Set: "named", Key: []string{"10.0.0.1", "tcp", "80"}},
			{Set: "named", Key: []string{"10.0.0.1", "sctp", "3868"}},
			{Set: "numbers", Key: []string{"80"}},
			{Set: "numbers", Key: []string{"8000-8010"}},
			{Set: "numbers", Key: []string{"65535"}},
			{Set: "ports", Key: []string{"veth1"}},
			{Set: "ports", Key: []string{"veth123456789ab"}},
			{Set: "target6", Key: []string{"veth1", "0x00000010024400010000000000000005"}},
			{Map: "numbers4", Key: []string{"10.0.0.1"}, Value: []string{"80"}},
			{Map: "verdicts", Key: []string{"fd00::1"}, Value: []string{"jump profile"}},
			{Map: "verdicts", Key: []string{"fd00::2"}, Value: []string{"goto profile"}},
			{Map: "verdicts", Key: []string{"fd00::3"}, Value: []string{"accept"}},
			{Map: "verdicts", Key: []string{"fd00::4"}, Value: []string{"drop"}},
			{Map: "verdicts", Key: []string{"fd00::5"}, Value: []string{"return"}},
		},
	}
}

// portsTable writes portsLayout in a namespace of the test's own.
func portsTable(t *testing.T) (*Table, Layout) {
	t.Helper()
	meshtest.Privileged(t)
	namespace.Enter(t)
	want := portsLayout()
	table, err := Open(want.ID, noCount)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Replace(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	return table, want
}

// TestPrivilegedElements reads elements of all types back in the words in which they were written.
func TestPrivilegedElements(t *testing.T) {
	table, want := portsTable(t)
	l, err := table.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.Elements, l.Elements); d != "" {
		t.Errorf("elements (-want +got):\n%s", d)
	}
	if edit := diff(t, table, want); !edit.Empty() {
		t.Errorf("what was written differs: %+v", edit)
	}
	// Blocks that cover what covered them before, in one transaction.
	next := want
	next.Elements = slices.Clone(want.Elements)
	next.Elements[1].Key = []string{"10.0.0.0/24"}
	next.Elements = append(next.Elements[:2], next.Elements[3:]...)
	for _, l := range []Layout{next, want} {
		if err := table.Apply(t.Context(), diff(t, table, l)); err != nil {
			t.Fatal(err)
		}
		if edit := diff(t, table, l); !edit.Empty() {
			t.Errorf("after an edit: %+v", edit)
		}
	}
}

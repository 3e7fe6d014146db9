package ports

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/nft"
	"warren.mesh/test/lab/namespace"
)

func twoPorts() []Port {
	return []Port{
		{
			Interface: "veth2", MAC: [6]byte{2, 0, 0, 0, 0, 2},
			Addrs: []netip.Addr{netip.MustParseAddr("10.244.1.2"), netip.MustParseAddr("fd00:10:244:1::2")},
		},
		{Interface: "veth3", MAC: [6]byte{2, 0, 0, 0, 0, 3}, Addrs: []netip.Addr{netip.MustParseAddr("10.244.1.3")}},
	}
}

// TestPrivilegedReadBack writes the table and finds in it what was written; a port that comes is an edit of its own.
func TestPrivilegedReadBack(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	table, err := nft.Open(Table, func() {})
	if err != nil {
		t.Fatal(err)
	}
	bridge := Bridge{Name: "warren-br0", MAC: [6]byte{2, 0, 0, 0, 0, 1}, Ports: []string{"veth2", "veth3"}}
	all := twoPorts()
	if err := table.Replace(t.Context(), Layout(bridge, all[:1])); err != nil {
		t.Fatal(err)
	}
	podless := nft.Element{Set: "podless", Key: []string{"veth3"}}
	for _, step := range []struct {
		what  string
		ports []Port
		want  nft.Edit
	}{
		{"nothing changed", all[:1], nft.Edit{}},
		{"another port", all, nft.Edit{Add: PortElements(all[1]), Remove: []nft.Element{podless}}},
		{"it is gone", all[:1], nft.Edit{Add: []nft.Element{podless}, Remove: PortElements(all[1])}},
	} {
		l, err := table.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		edit, ok := nft.Diff(l, Layout(bridge, step.ports))
		if !ok || len(edit.Add) != len(step.want.Add) || len(edit.Remove) != len(step.want.Remove) {
			t.Errorf("%s: %v (-want +got):\n%s", step.what, ok, cmp.Diff(step.want, edit))
		}
		if err := table.Apply(t.Context(), edit); err != nil {
			t.Fatal(err)
		}
	}
	l, err := table.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bridge.MAC[5] = 9
	if _, ok := nft.Diff(l, Layout(bridge, all)); ok {
		t.Error("another address of the bridge is no other table")
	}
}

package policy

import (
	"testing"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/nft"
	"warren.mesh/test/lab/namespace"
)

// TestPrivilegedKernelTakesEdits applies the edits of random events to a table of the kernel. It takes each of them,
// and lists what Compile would make at once, with blocks, named ports and all other kinds of sets.
func TestPrivilegedKernelTakesEdits(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	table, err := nft.Open(Table, func() {})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(4) {
		d := newDice(seed)
		w := watched{Input: d.cluster()}
		ix := indexOf(w.Input)
		if err := table.Replace(t.Context(), ix.State().Table); err != nil {
			t.Fatal(err)
		}
		for i := range 25 {
			for range 1 + d.IntN(4) {
				w.event(d, ix)
			}
			edit := ix.Commit()
			if err := table.Apply(t.Context(), edit.Edit); err != nil {
				t.Fatalf("seed %d, edit %d: %v\n%+v", seed, i, err, edit)
			}
			listing, err := table.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want, _ := Compile(w.Input)
			if rest, ok := nft.Diff(listing, want.Table); !ok || !rest.Empty() {
				t.Fatalf("seed %d, edit %d: after %+v the kernel's table still needs (%t) %+v", seed, i, edit, ok, rest)
			}
		}
	}
}

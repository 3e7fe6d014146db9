package nft

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/artifact"
	"warren.mesh/test/lab/debian13"
	"warren.mesh/test/lab/namespace"
)

// TestPrivilegedCrash: a set that Debian 13's nft has written crashes this host's, 1.0.6. The error says which set, and
// the remedy that it names is one.
func TestPrivilegedCrash(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	cache, err := artifact.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	newer, err := debian13.NFT(t.Context(), artifact.Cache{Dir: cache, Progress: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	write := func(sets string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), newer+"/nft", "-f", "-")
		c.Stdin = strings.NewReader("table inet fw {}\ndelete table inet fw\ntable inet fw {\n" + sets + "\n}\n")
		if said, err := c.CombinedOutput(); err != nil {
			t.Fatalf("nft of Debian 13: %v\n%s", err, said)
		}
	}
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
		write(tt.sets)
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

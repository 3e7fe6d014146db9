package walls

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"warren.mesh/mesh/guard"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/policy"
	"warren.mesh/mesh/ports"
	"warren.mesh/test/lab/debian13"
	"warren.mesh/test/lab/namespace"
)

// TestPrivilegedVersions has nft list warren's tables, and load what it has listed: then the tables are as warren has
// written them. So others may save and restore the ruleset, with this host's version of nft or with Debian 13's, 1.1.
// Debian 12's cannot list what that one has written: it crashes at sets of a plain type, which warren's are.
func TestPrivilegedVersions(t *testing.T) {
	meshtest.Privileged(t)
	own := os.Getenv("PATH")
	newer := debian13.NFTFor(t) + ":" + own
	for _, tt := range []struct{ name, writer, reader string }{
		{"this host's", own, own},
		{"this host's, read by Debian 13's", own, newer},
		{"Debian 13's", newer, newer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", tt.writer)
			w, in := open(t), twoPods()
			in.Policies = append(in.Policies, policies()...)
			all := tables(in)
			if _, err := w.SyncTables(t.Context(), all.ports, all.policy); err != nil {
				t.Fatal(err)
			}
			all.replaceGuard(t)
			all.wantSame(t, w, "written")
			t.Setenv("PATH", tt.reader)
			listed := namespace.Run(t, "nft list ruleset")
			namespace.Run(t, "nft flush ruleset")
			load := exec.CommandContext(t.Context(), "nft", "-f", "-")
			load.Stdin = strings.NewReader(listed)
			if said, err := load.CombinedOutput(); err != nil {
				t.Fatalf("load what it has listed: %v\n%s", err, said)
			}
			all.wantSame(t, w, "loaded")
		})
	}
}

// TestPrivilegedCrashHarmsNoRestart: beside a set that crashes this host's nft, a daemon that starts finds its tables,
// and nothing to write. A host without tables is told of the crash, and of nothing that its kernel would lack.
func TestPrivilegedCrashHarmsNoRestart(t *testing.T) {
	newer := debian13.NFTFor(t) + "/nft "
	w := open(t)
	syncs(t, w, twoPods(), 1)
	namespace.Run(t, newer+"add table inet fw\n"+newer+"add set inet fw banned { type ipv4_addr; }")
	w = reopen(t)
	if err := w.PolicySupport(t.Context()); err != nil {
		t.Error(err)
	}
	syncs(t, w, twoPods(), 0)
	namespace.Run(t, newer+"delete table bridge warren")
	err := w.PolicySupport(t.Context())
	if !errors.Is(err, nft.ErrCrashed) || !strings.Contains(err.Error(), "set banned of nftables table inet fw") ||
		strings.Contains(err.Error(), "the kernel needs") {
		t.Errorf("without the table of ports: %v; want a crash, with its cause", err)
	}
}

// layoutsOf are the three tables of a node.
type layoutsOf struct{ ports, policy, guard nft.Layout }

func tables(in policy.Input) (l layoutsOf) {
	l.ports, l.policy = layouts(in)
	b := ports.Bridge{Name: bridge, MAC: bridgeMAC, Ports: []string{"tap0"}}
	l.ports.Elements = append(l.ports.Elements, ports.Layout(b, nil).Elements...)
	l.guard = guard.Layout(nodeFirewall())
	return l
}

func (l layoutsOf) replaceGuard(t *testing.T) {
	t.Helper()
	if err := openGuard(t).Replace(t.Context(), l.guard); err != nil {
		t.Fatal(err)
	}
}

// wantSame fails the test unless warren finds nothing to change in the kernel's tables.
func (l layoutsOf) wantSame(t *testing.T, w *Walls, when string) {
	t.Helper()
	if changed, err := w.SyncTables(t.Context(), l.ports, l.policy); err != nil || changed {
		t.Errorf("%s: changed %v, %v", when, changed, err)
	}
	have, err := openGuard(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if edit, ok := nft.Diff(have, l.guard); !ok || !edit.Empty() {
		t.Errorf("%s: the guard differs: %v %v", when, ok, edit)
	}
}

func openGuard(t *testing.T) *nft.Table {
	t.Helper()
	table, err := nft.Open(guard.Table, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

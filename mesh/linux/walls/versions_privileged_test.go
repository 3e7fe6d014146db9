package walls

import (
	"errors"
	"net/netip"
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
// written them, and are edited. So others may save and restore the ruleset, with this host's version of nft or with
// Debian 13's, 1.1.3, whichever of them has written it. Debian 12's, 1.0.6, crashes at sets of a plain type that 1.1.3
// has written; warren's tables have none.
func TestPrivilegedVersions(t *testing.T) {
	meshtest.Privileged(t)
	own := os.Getenv("PATH")
	newer := debian13.NFTFor(t) + ":" + own
	for _, tt := range []struct{ name, writer, reader string }{
		{"older", own, own},
		{"older-newer", own, newer},
		{"newer", newer, newer},
		{"newer-older", newer, own},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", tt.writer)
			w, all := open(t), tables(ofAllKinds())
			if _, err := w.SyncTables(t.Context(), all.ports, all.policy); err != nil {
				t.Fatal(err)
			}
			all.replaceGuard(t)
			all.wantSame(t, w, "written")
			wantReadable(t, "written")
			t.Setenv("PATH", tt.reader)
			reload(t, strings.NewReplacer())
			all.wantSame(t, w, "loaded")
			wantReadable(t, "loaded")
			all.editAll(t, reopen(t))
			wantReadable(t, "edited")
		})
	}
}

// TestPrivilegedEarlierSets: tables of an earlier version, whose sets are declared with "type", are taken over with
// nothing to write, are edited, and are replaced.
func TestPrivilegedEarlierSets(t *testing.T) {
	meshtest.Privileged(t)
	w, all := open(t), tables(ofAllKinds())
	if _, err := w.SyncTables(t.Context(), all.ports, all.policy); err != nil {
		t.Fatal(err)
	}
	all.replaceGuard(t)
	before := reload(t, strings.NewReplacer("typeof ip saddr\n", "type ipv4_addr\n", "typeof ip6 saddr\n",
		"type ipv6_addr\n", "typeof ip saddr :", "type ipv4_addr :", "typeof ip6 saddr :", "type ipv6_addr :",
		"typeof iifname\n", "type ifname\n", "typeof th dport\n", "type inet_service\n"))
	for _, kind := range []string{
		"ipv4_addr", "ipv6_addr", "ifname", "inet_service", "ipv4_addr : verdict", "ipv6_addr : verdict",
		"ipv4_addr\n\t\tflags interval", "ipv6_addr\n\t\tflags interval", "inet_service\n\t\tflags interval",
	} {
		if !strings.Contains(before, "\ttype "+kind+"\n") {
			t.Errorf("no set of type %q", kind)
		}
	}
	all.wantSame(t, w, "loaded")
	all.editAll(t, w)
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

// ofAllKinds has policies that need a set of each type that there is.
func ofAllKinds() policy.Input {
	in := twoPods()
	for i := range in.Pods {
		in.Pods[i].Ports = []policy.NamedPort{{Name: "metrics", Protocol: policy.TCP, Number: 9100}}
	}
	appA, nobody := selects("a"), selects("nobody")
	block := policy.Block{CIDR: netip.MustParsePrefix("198.51.100.0/24")}
	peers := []policy.Peer{{Pods: &appA}, {Pods: &nobody}, {Block: &block}}
	in.Policies = append(in.Policies, policy.Policy{
		Namespace: "x", Name: "ports", Pods: selects("b"), IsolatesIngress: true,
		Ingress: []policy.Rule{
			{Peers: peers, Ports: []policy.Port{
				{Protocol: policy.TCP, Number: 80}, {Protocol: policy.TCP, Number: 443},
			}},
			{Peers: peers, Ports: []policy.Port{
				{Protocol: policy.UDP, Number: 53}, {Protocol: policy.UDP, Number: 8000, End: 8010},
			}},
			{Peers: peers, Ports: []policy.Port{{Protocol: policy.TCP, Name: "metrics"}}},
		},
	})
	return in
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

// reload has nft list the ruleset, and load it again with some words in the place of others. It returns what it loaded.
func reload(t *testing.T, words *strings.Replacer) string {
	t.Helper()
	ruleset := words.Replace(namespace.Run(t, "nft list ruleset"))
	namespace.Run(t, "nft flush ruleset")
	load := exec.CommandContext(t.Context(), "nft", "-f", "-")
	load.Stdin = strings.NewReader(ruleset)
	if said, err := load.CombinedOutput(); err != nil {
		t.Fatalf("load what nft has listed: %v\n%s", err, said)
	}
	return ruleset
}

// wantReadable fails the test if a set crashes nft before 1.1.2.
func wantReadable(t *testing.T, when string) {
	t.Helper()
	if sets, err := nft.UnreadableSets(); err != nil || len(sets) > 0 {
		t.Errorf("%s: %v, %v", when, sets, err)
	}
}

// editAll takes pods and policies away and brings them back, edits a set of intervals, and replaces the guard.
func (l layoutsOf) editAll(t *testing.T, w *Walls) {
	t.Helper()
	for _, to := range []layoutsOf{tables(policy.Input{}), l} {
		if changed, err := w.SyncTables(t.Context(), to.ports, to.policy); err != nil || !changed {
			t.Errorf("edit: changed %v, %v", changed, err)
		}
	}
	more := []nft.Element{{Set: "cluster4", Key: []string{"10.245.0.0/16"}}}
	edit := openGuard(t).Edit
	if err := errors.Join(edit(t.Context(), more, nil), edit(t.Context(), nil, more)); err != nil {
		t.Error(err)
	}
	l.wantSame(t, w, "edited")
	l.replaceGuard(t)
	l.wantSame(t, w, "replaced")
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

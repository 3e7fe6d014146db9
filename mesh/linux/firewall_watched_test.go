package linux

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"sigs.k8s.io/knftables"

	"warren.mesh/mesh"
)

// watched is a firewall in a namespace of its own, with a watcher that tells the generations of changes.
type watched struct {
	*firewall
	changes chan uint32
}

func watchedFirewall(t *testing.T) watched {
	t.Helper()
	w := watched{firewall: newFirewall(kernelNFT(t), noCount), changes: make(chan uint32, 100)}
	unwatch := w.own.watch()
	conn, err := subscribeRuleset()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.follow(ctx, conn, func(generation uint32) { w.changes <- generation }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("watch: %v", err)
		}
		unwatch()
	})
	return w
}

// noticed makes one more change, which is waited for, and fails unless just so many were noticed before.
func (w watched) noticed(t *testing.T, what string, want int) {
	t.Helper()
	run(t, "nft add chain inet warren sentinel\nnft delete chain inet warren sentinel")
	sentinel, err := rulesetGeneration()
	if err != nil {
		t.Fatal(err)
	}
	got := -1 // the addition of the sentinel
	for generation := range w.changes {
		if generation == sentinel {
			break
		}
		got++
	}
	if got != want {
		t.Errorf("%s: %d changes noticed, want %d", what, got, want)
	}
}

func TestPrivilegedFirewallWatch(t *testing.T) {
	w := watchedFirewall(t)
	own := func(what string, do func() error) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		w.noticed(t, what, 0)
	}
	replace := func() error { return w.replace(t.Context(), dualFirewall()) }
	add := func() error { return w.edit(t.Context(), mesh.Edits[netip.Addr]{Add: addrs("172.31.9.4")}) }
	own("own replacement of nothing", replace)
	own("own replacement", replace)
	own("own edit", add)
	own("own edit that changes nothing", add)

	for _, c := range []struct {
		what, commands string
		want           int
	}{
		{"element deleted", "nft delete element inet warren nodes4 { 172.31.9.4 }", 1},
		{"chain flushed", "nft flush chain inet warren guard-out", 1},
		{"another table", "nft add table inet kube-proxy", 0},
		{"a table of the same name", "nft add table ip warren", 0},
		{"ruleset flushed, an empty table back", "nft flush ruleset\nnft add table inet warren", 2},
	} {
		run(t, c.commands)
		w.noticed(t, c.what, c.want)
	}
	own("own repair", replace)
}

// TestPrivilegedFirewallWatchBusy replaces the table while another program writes its own all the time.
func TestPrivilegedFirewallWatchBusy(t *testing.T) {
	w := watchedFirewall(t)
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
		if err := w.replace(t.Context(), dualFirewall()); err != nil {
			t.Fatal(err)
		}
	}
	w.noticed(t, "10 own replacements among another table's", 0)
}

package linux

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

func TestPrivilegedFirewallObservesWhatItMade(t *testing.T) {
	meshtest.Privileged(t)
	for name, fw := range firewalls() {
		t.Run(name, func(t *testing.T) {
			testObserves(t, newFirewall(kernelNFT(t), noCount), fw)
		})
	}
}

func TestPrivilegedFirewallTampering(t *testing.T) {
	meshtest.Privileged(t)
	for _, c := range tamperings() {
		t.Run(c.name, func(t *testing.T) {
			testTampering(t, kernelNFT(t), c)
		})
	}
}

func TestPrivilegedFirewallRulesetFlushed(t *testing.T) {
	f := newFirewall(kernelNFT(t), noCount)
	testObserves(t, f, dualFirewall())
	run(t, "nft flush ruleset")
	if got, err := f.observe(t.Context()); err != nil || got.Link != "" {
		t.Errorf("observed %+v, %v after the ruleset was flushed", got, err)
	}
	if leaks, err := f.leaks(t.Context()); err != nil || len(leaks) != 0 {
		t.Errorf("counters %v, %v after the ruleset was flushed", leaks, err)
	}
	if err := f.remove(t.Context()); err != nil {
		t.Errorf("remove what is absent: %v", err)
	}
	testObserves(t, f, dualFirewall())
}

// TestPrivilegedFirewallListing is for the operator's eyes. The words are those of nft 1.0.6, Debian 12's.
func TestPrivilegedFirewallListing(t *testing.T) {
	f := newFirewall(kernelNFT(t), noCount)
	if err := f.replace(t.Context(), firewalls()["node-cidrs"]); err != nil {
		t.Fatal(err)
	}
	golden(t, "listing.txt", run(t, "nft list table inet warren"))
}

func TestPrivilegedFirewallCounters(t *testing.T) {
	f := newFirewall(kernelNFT(t), noCount)
	if err := f.replace(t.Context(), dualFirewall()); err != nil {
		t.Fatal(err)
	}
	got, err := f.leaks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{leakPod: 0, leakNode: 0, leakSource: 0, loop: 0, foreign: 0, spoof: 0, forged: 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

// TestPrivilegedFirewallEditIsIncremental counts the kernel's notifications of one node's coming and going among 5,000.
func TestPrivilegedFirewallEditIsIncremental(t *testing.T) {
	f := newFirewall(kernelNFT(t), noCount)
	fw := dualFirewall()
	fw.NodeIPs = nil
	for i := range 5000 {
		fw.NodeIPs = append(fw.NodeIPs, netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}))
	}
	testObserves(t, f, fw)

	conn, err := subscribeRuleset()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = f.edit(t.Context(), mesh.Edits[netip.Addr]{Add: addrs("172.31.9.9", "fd00:9::9"), Remove: addrs("172.16.0.7")})
	if err != nil {
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
	observed, err := f.observe(t.Context())
	if err != nil || len(observed.NodeIPs) != 5001 {
		t.Errorf("%d node addresses, %v", len(observed.NodeIPs), err)
	}
}

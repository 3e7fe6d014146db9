package linux

import (
	"context"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/knftables"

	"warren.mesh/mesh"
)

var updateFirewall = flag.Bool("update-firewall", false, "write the firewall's golden files")

// golden compares with testdata/firewall/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "firewall", name)
	if *updateFirewall {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update-firewall accepts it):\n%s", path, diff)
	}
}

var (
	sameAddrs = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}
	noCount   = func(string) {}
)

func addrs(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// dualFirewall is node 1's of three, with both families.
func dualFirewall() mesh.Firewall {
	return mesh.Firewall{
		Link: "warren0", Bridge: "warren-br0", Port: 51820, Mark: 0x800000,
		ClusterCIDRs: prefixes("10.244.0.0/16", "fd00:10:244::/48"),
		OwnCIDRs:     prefixes("10.244.1.0/24", "fd00:10:244:1::/64"),
		OwnIPs:       addrs("172.31.9.1", "fd00:9::1"),
		NodeIPs:      addrs("172.31.9.1", "172.31.9.2", "172.31.9.3", "fd00:9::1", "fd00:9::2", "fd00:9::3"),
	}
}

// firewalls are one of each kind, by the golden file's name.
func firewalls() map[string]mesh.Firewall {
	v4, v6, ranges, custom, bare, several := dualFirewall(), dualFirewall(), dualFirewall(), dualFirewall(), dualFirewall(), dualFirewall()
	v4.ClusterCIDRs, v4.OwnCIDRs = v4.ClusterCIDRs[:1], v4.OwnCIDRs[:1]
	v4.OwnIPs, v4.NodeIPs = v4.OwnIPs[:1], v4.NodeIPs[:3]
	v6.ClusterCIDRs, v6.OwnCIDRs = v6.ClusterCIDRs[1:], v6.OwnCIDRs[1:]
	v6.OwnIPs, v6.NodeIPs = v6.OwnIPs[1:], v6.NodeIPs[3:]
	ranges.NodeCIDRs = prefixes("172.31.9.0/24", "172.31.10.0/24", "fd00:9::/64", "fd00:9:1::1/128")
	custom.Link, custom.Bridge, custom.Port, custom.Mark = "wg.mesh", "pods_br", 40000, 0x80000000
	bare.ClusterCIDRs = nil
	several.ClusterCIDRs = prefixes("10.244.0.0/16", "10.250.0.0/16", "fd00:10:244::/48")
	return map[string]mesh.Firewall{
		"v4": v4, "v6": v6, "dual": dualFirewall(), "node-cidrs": ranges, "custom-names": custom, "no-cluster-cidrs": bare,
		"several-cidrs": several,
	}
}

func fakeFirewall(t *testing.T) (*firewall, *knftables.Fake) {
	t.Helper()
	fake := knftables.NewFake(firewallFamily, firewallTable)
	return newFirewall(fake, noCount), fake
}

func TestFirewallTransaction(t *testing.T) {
	for name, fw := range firewalls() {
		t.Run(name, func(t *testing.T) {
			f, fake := fakeFirewall(t)
			if err := f.replace(t.Context(), fw); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".nft", fake.LastTransaction.String())
		})
	}
}

func TestFirewallObservesWhatItMade(t *testing.T) {
	for name, fw := range firewalls() {
		t.Run(name, func(t *testing.T) {
			f, _ := fakeFirewall(t)
			testObserves(t, f, fw)
		})
	}
}

// testObserves replaces the table and reads it back.
func testObserves(t *testing.T, f *firewall, fw mesh.Firewall) {
	t.Helper()
	if err := f.replace(t.Context(), fw); err != nil {
		t.Fatal(err)
	}
	got, err := f.observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fw, got, sameAddrs); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

func TestFirewallComments(t *testing.T) {
	for name, fw := range firewalls() {
		l := layoutOf(fw)
		comments := []string{l.identity()}
		for _, c := range l.chains {
			comments = append(comments, c.comment)
			for _, r := range c.rules {
				comments = append(comments, r.comment())
			}
		}
		for _, c := range comments {
			if len(c) > knftables.CommentLengthMax {
				t.Errorf("%s: %d characters, nft takes %d: %s", name, len(c), knftables.CommentLengthMax, c)
			}
		}
	}
}

func TestFirewallEdit(t *testing.T) {
	f, fake := fakeFirewall(t)
	var counted []string
	f.count = func(kind string) { counted = append(counted, kind) }
	if err := f.replace(t.Context(), dualFirewall()); err != nil {
		t.Fatal(err)
	}
	edits := mesh.Edits[netip.Addr]{Add: addrs("172.31.9.4", "fd00:9::4"), Remove: addrs("172.31.9.3", "172.31.9.99")}
	if err := f.edit(t.Context(), edits); err != nil {
		t.Fatal(err)
	}
	want := `add element inet warren nodes4 { 172.31.9.4 }
add element inet warren nodes6 { fd00:9::4 }
add element inet warren nodes4 { 172.31.9.3 }
delete element inet warren nodes4 { 172.31.9.3 }
add element inet warren nodes4 { 172.31.9.99 }
delete element inet warren nodes4 { 172.31.9.99 }
`
	if diff := cmp.Diff(want, fake.LastTransaction.String()); diff != "" {
		t.Errorf("transaction (-want +got):\n%s", diff)
	}
	if err := f.edit(t.Context(), mesh.Edits[netip.Addr]{}); err != nil {
		t.Errorf("an empty edit: %v", err)
	}
	if diff := cmp.Diff([]string{"nft-transaction", "nft-transaction"}, counted); diff != "" {
		t.Errorf("transactions counted (-want +got):\n%s", diff)
	}
	got, err := f.observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(addrs("172.31.9.1", "172.31.9.2", "172.31.9.4", "fd00:9::1", "fd00:9::2", "fd00:9::3", "fd00:9::4"), got.NodeIPs, sameAddrs); diff != "" {
		t.Errorf("node addresses (-want +got):\n%s", diff)
	}
}

func TestFirewallEditNeedsTable(t *testing.T) {
	f, _ := fakeFirewall(t)
	err := f.edit(t.Context(), mesh.Edits[netip.Addr]{Add: addrs("172.31.9.4")})
	if !knftables.IsNotFound(err) {
		t.Errorf("edit without a table: %v, want not found", err)
	}
}

func TestFirewallRemove(t *testing.T) {
	f, fake := fakeFirewall(t)
	if err := f.remove(t.Context()); err != nil {
		t.Errorf("remove what is absent: %v", err)
	}
	if err := f.replace(t.Context(), dualFirewall()); err != nil {
		t.Fatal(err)
	}
	if err := f.remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if dump := fake.Dump(); dump != "" {
		t.Errorf("left after removal:\n%s", dump)
	}
}

// brokenNFT fails at everything.
type brokenNFT struct{ *knftables.Fake }

var errBroken = errors.New("nft: broken")

func (brokenNFT) Run(context.Context, *knftables.Transaction) error { return errBroken }

func (brokenNFT) ListAll(context.Context) (map[string][]string, error) { return nil, errBroken }

func (brokenNFT) ListCounters(context.Context) ([]*knftables.Counter, error) { return nil, errBroken }

func TestFirewallErrors(t *testing.T) {
	f := newFirewall(brokenNFT{knftables.NewFake(firewallFamily, firewallTable)}, noCount)
	_, errObserve := f.observe(t.Context())
	_, errLeaks := f.leaks(t.Context())
	for what, err := range map[string]error{
		"replace": f.replace(t.Context(), dualFirewall()),
		"edit":    f.edit(t.Context(), mesh.Edits[netip.Addr]{Add: addrs("172.31.9.4")}),
		"remove":  f.remove(t.Context()),
		"observe": errObserve,
		"leaks":   errLeaks,
	} {
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: %v, want nft's error wrapped", what, err)
		}
	}
}

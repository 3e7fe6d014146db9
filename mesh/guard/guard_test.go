package guard

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/knftables"

	"warren.mesh/mesh"
	"warren.mesh/mesh/nft"
	"warren.mesh/test/golden"
)

var sameAddrs = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}

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

// plainFirewall lets plain text in from the topology's outside and from a range that has mesh nodes, too.
func plainFirewall() mesh.Firewall {
	fw := dualFirewall()
	fw.PlainFrom = prefixes("172.31.9.0/24", "198.51.100.1/32", "2001:db8::1/128", "fd00:9::/64")
	return fw
}

// firewalls are one of each kind, by the golden file's name.
func firewalls() map[string]mesh.Firewall {
	v4, v6, ranges := dualFirewall(), dualFirewall(), dualFirewall()
	custom, bare, several := dualFirewall(), dualFirewall(), dualFirewall()
	v4.ClusterCIDRs, v4.OwnCIDRs = v4.ClusterCIDRs[:1], v4.OwnCIDRs[:1]
	v4.OwnIPs, v4.NodeIPs = v4.OwnIPs[:1], v4.NodeIPs[:3]
	v6.ClusterCIDRs, v6.OwnCIDRs = v6.ClusterCIDRs[1:], v6.OwnCIDRs[1:]
	v6.OwnIPs, v6.NodeIPs = v6.OwnIPs[1:], v6.NodeIPs[3:]
	ranges.NodeCIDRs = prefixes("172.31.9.0/24", "172.31.10.0/24", "fd00:9::/64", "fd00:9:1::1/128")
	custom.Link, custom.Bridge, custom.Port, custom.Mark = "wg.mesh", "pods_br", 40000, 0x80000000
	bare.ClusterCIDRs = nil
	several.ClusterCIDRs = prefixes("10.244.0.0/16", "10.250.0.0/16", "fd00:10:244::/48")
	return map[string]mesh.Firewall{
		"v4": v4, "v6": v6, "dual": dualFirewall(), "node-cidrs": ranges, "custom-names": custom,
		"no-cluster-cidrs": bare, "several-cidrs": several, "plain-from": plainFirewall(),
	}
}

func fakeTable() (*nft.Table, *knftables.Fake) {
	fake := knftables.NewFake(knftables.InetFamily, Table.Name)
	return nft.New(Table, fake, func() {}), fake
}

func TestTransaction(t *testing.T) {
	for name, fw := range firewalls() {
		t.Run(name, func(t *testing.T) {
			table, fake := fakeTable()
			if err := table.Replace(t.Context(), Layout(fw)); err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, "testdata/"+name+".nft", fake.LastTransaction.String())
		})
	}
}

func TestParsesWhatItMade(t *testing.T) {
	for name, fw := range firewalls() {
		t.Run(name, func(t *testing.T) {
			table, _ := fakeTable()
			testParses(t, table, fw)
		})
	}
}

// testParses replaces the table and reads it back.
func testParses(t *testing.T, table *nft.Table, fw mesh.Firewall) {
	t.Helper()
	if err := table.Replace(t.Context(), Layout(fw)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fw, observe(t, table), sameAddrs); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

func observe(t *testing.T, table *nft.Table) mesh.Firewall {
	t.Helper()
	l, err := table.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return Parse(l)
}

func TestComments(t *testing.T) {
	for name, fw := range firewalls() {
		l := Layout(fw)
		comments := []string{l.Identity()}
		for _, c := range l.Chains {
			comments = append(comments, c.Comment)
			for _, r := range c.Rules {
				comments = append(comments, r.Comment())
			}
		}
		for _, c := range comments {
			if len(c) > knftables.CommentLengthMax {
				t.Errorf("%s: %d characters, nft takes %d: %s", name, len(c), knftables.CommentLengthMax, c)
			}
		}
	}
}

func TestEditNodeIPs(t *testing.T) {
	table, fake := fakeTable()
	if err := table.Replace(t.Context(), Layout(dualFirewall())); err != nil {
		t.Fatal(err)
	}
	add, remove := NodeIPs(addrs("172.31.9.4", "fd00:9::4")), NodeIPs(addrs("172.31.9.3", "172.31.9.99"))
	if err := table.Edit(t.Context(), add, remove); err != nil {
		t.Fatal(err)
	}
	want := `add element inet warren node-ips4 { 172.31.9.4 }
add element inet warren node-ips6 { fd00:9::4 }
add element inet warren node-ips4 { 172.31.9.3 }
delete element inet warren node-ips4 { 172.31.9.3 }
add element inet warren node-ips4 { 172.31.9.99 }
delete element inet warren node-ips4 { 172.31.9.99 }
`
	if diff := cmp.Diff(want, fake.LastTransaction.String()); diff != "" {
		t.Errorf("transaction (-want +got):\n%s", diff)
	}
	left := addrs("172.31.9.1", "172.31.9.2", "172.31.9.4", "fd00:9::1", "fd00:9::2", "fd00:9::3", "fd00:9::4")
	if diff := cmp.Diff(left, observe(t, table).NodeIPs, sameAddrs); diff != "" {
		t.Errorf("node addresses (-want +got):\n%s", diff)
	}
}

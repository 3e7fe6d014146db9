package linux

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/golden"
)

// self is the own node.
func self(key keys.Public) mesh.Self {
	return mesh.Self{
		Name: "self", UID: "0", NodeIPs: meshtest.UnderlayIPs, PublicKey: key,
		PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24"), netip.MustParsePrefix("fd00:10:244:1::/64")},
	}
}

// others are n other nodes of a dual-stack mesh.
func others(n int) []mesh.Node {
	var nodes []mesh.Node
	for i := 2; i < n+2; i++ {
		id := mesh.Identity{Name: fmt.Sprintf("n%d", i), UID: fmt.Sprint(i)}
		key := meshtest.Key(id.Name)
		proof, err := key.Prove(id.UID)
		if err != nil {
			panic(err)
		}
		v4, v6 := netip.AddrFrom4([4]byte{192, 0, byte(2 + i>>8), byte(i)}), fmt.Sprintf("2001:db8::%x", i)
		nodes = append(nodes, mesh.ParseNode(id, mesh.Announcement{
			PublicKey: key.Public().String(), Proof: proof.String(),
			Endpoint: fmt.Sprintf("%s:51820,[%s]:51820", v4, v6),
			PodCIDRs: fmt.Sprintf("10.%d.%d.0/24,fd00:10:244:%x::/64", 244^i>>8, i&0xff, i),
			NodeIPs:  fmt.Sprintf("%s,%s", v4, v6),
		}, mesh.Overrides{}))
	}
	return nodes
}

// update writes the goldens anew instead of comparing.
// What is applied reads in the tools' own words as it should: Apply and Observe could be wrong alike.
func TestPrivilegedGolden(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	(&meddler{machine: m}).AddBridge(1500)
	if err := m.Apply(t.Context(), mesh.Diff(m.small(), m.observe())); err != nil {
		t.Fatal(err)
	}
	// Again, now that there is a bridge with what Apply has not seen before.
	if err := m.Apply(t.Context(), mesh.Diff(m.small(), m.observe())); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, command := range []string{
		"-4 route show proto 87 table main", "-4 route show table 8787", "-4 route show table 8788",
		"-6 route show proto 87 table main", "-6 route show table 8787", "-6 route show table 8788",
		"-4 rule show protocol 87", "-6 rule show protocol 87",
		"-4 -o address show scope global dev " + m.cfg.Link, "-6 -o address show scope global dev " + m.cfg.Link,
		"-4 -o address show scope global dev " + m.cfg.Bridge, "-6 -o address show scope global dev " + m.cfg.Bridge,
	} {
		fmt.Fprintf(&got, "$ ip %s\n%s", command, m.shows(command))
	}
	golden.Equal(t, filepath.Join("testdata", "host", "ip.txt"), readable(got.String(), m.cfg.Link))
}

// readable has warren0 for the unique name, and neither indices of interfaces nor what ip(8) shows of others: older
// ones do not filter rules.
func readable(text, link string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(text, link, "warren0")) {
		line = strings.Join(strings.Fields(brief.ReplaceAllString(line, "")), " ")
		if !strings.Contains(line, " lookup ") || strings.HasSuffix(line, " proto 87") {
			fmt.Fprintln(&b, line)
		}
	}
	return b.String()
}

// brief leaves out how ip -o begins a line, and a line break of it.
var brief = regexp.MustCompile(`^\d+: +|\\`)

// Routes that warren did not make, but that have its protocol or are in its tables, are stale whatever they look like.
func TestPrivilegedOddRoutes(t *testing.T) {
	meshtest.Privileged(t)
	m := newBareMachine(t, Userspace)
	const odd = "ip route add 198.51.100.0/24 via 192.0.2.9 dev under0 proto 87\n" +
		"ip route add blackhole 198.51.101.0/24 proto 87 table 51820\n" +
		"ip route add blackhole 198.51.101.0/24 proto static table 8787\n" +
		"ip route add default via 192.0.2.9 dev under0 proto bird table 8788\n" +
		"ip route add 198.51.103.0/24 tos 0x10 dev under0 table 8787\n" +
		"ip route add unreachable 198.51.103.0/24 tos 0x08 proto 87\n" +
		"ip -6 route add prohibit default table 8788\n" +
		"ip route add default dev under0 proto 87 table 51820\n" +
		"ip route add 198.51.102.0/24 proto 87 nexthop via 192.0.2.9 nexthop via 192.0.2.8\n" +
		"ip -6 route add prohibit 2001:db8:6::/48 proto 87\n" +
		"ip -6 route add default via 2001:db8::9 dev under0 proto 87 table 51820 metric 5\n" +
		"ip -6 route add 2001:db8:7::/48 dev under0 proto 87 src 2001:db8::1\n"
	run(t, odd)
	have := m.observe()
	if want := strings.Count(odd, "\n"); len(have.Routes) != want {
		t.Fatalf("%d routes, want %d:\n%s", len(have.Routes), want, have)
	}
	if err := m.Apply(t.Context(), mesh.Diff(mesh.State{}, have)); err != nil {
		t.Error(err)
	}
	if left := m.observe().Routes; len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A rule that warren cannot come before is told, on either address family; the kernel's own is not.
func TestPrivilegedEarlierRules(t *testing.T) {
	meshtest.Privileged(t)
	m := newBareMachine(t, Userspace)
	told := func() (earlier []string) {
		t.Helper()
		_, doubts, err := m.PassFirewalls(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range doubts {
			if strings.Contains(d, "comes before warren's") {
				earlier = append(earlier, d)
			}
		}
		return earlier
	}
	if got := told(); len(got) > 0 {
		t.Errorf("without rules of others: %q", got)
	}
	run(t, "ip rule add to 198.51.100.0/24 pref 0 lookup 100\nip -6 rule add pref 2 lookup 101\n"+
		"ip rule add pref 3 lookup 102\n")
	got := told()
	if len(got) != 2 || !strings.Contains(got[0], "preference 0 (lookup 100)") ||
		!strings.Contains(got[1], "preference 2 (lookup 101)") {
		t.Errorf("told: %q", got)
	}
}

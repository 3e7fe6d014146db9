package firewalls

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/nft"
	"warren.mesh/test/lab/debian13"
	"warren.mesh/test/lab/namespace"
)

func testFirewalls() *Firewalls {
	return &Firewalls{
		Link: "warren0", Bridge: "warren-br0", Port: 51820, Probes: 18789, Open: true, Count: func(string) {},
	}
}

// scenes are iptables as others set it up, alike in both families.
var scenes = []struct {
	name, commands string
	// forward and input are how many rules warren adds to iptables' chains in each family.
	forward, input int
	// behind is the rule of FORWARD that the added ones must be before; empty for the policy.
	behind string
}{
	{name: "nothing"},
	{name: "accepting", commands: "iptables-nft -A FORWARD -i docker0 -j DROP"},
	{
		name: "Docker", forward: 4, commands: `
iptables-nft -P FORWARD DROP
iptables-nft -N DOCKER-USER
iptables-nft -A FORWARD -j DOCKER-USER
iptables-nft -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-nft -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
`,
	},
	{
		name: "ufw", forward: 4, input: 2, commands: `
iptables-nft -P FORWARD DROP
iptables-nft -P INPUT DROP
iptables-nft -N ufw-before-forward
iptables-nft -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-nft -A FORWARD -j ufw-before-forward
iptables-nft -N ufw-reject-forward
iptables-nft -A FORWARD -j ufw-reject-forward
`,
	},
	{
		name: "ufw that rejects", forward: 4, behind: "-j ufw-reject-forward", commands: `
iptables-nft -P FORWARD DROP
iptables-nft -N ufw-reject-forward
iptables-nft -A ufw-reject-forward -j REJECT
iptables-nft -A FORWARD -i lo -j ACCEPT
iptables-nft -A FORWARD -j ufw-reject-forward
`,
	},
	{
		name: "a last rule that rejects", forward: 4, input: 2, behind: "-j REJECT", commands: `
iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-nft -A INPUT -j REJECT
iptables-nft -A FORWARD -j REJECT
`,
	},
	{
		name: "opened by hand", commands: `
iptables-nft -P FORWARD DROP
iptables-nft -P INPUT DROP
iptables-nft -A INPUT -p udp --dport 51820 -j ACCEPT
iptables-nft -A INPUT -i warren0 -p udp --dport 18789 -j ACCEPT
iptables-nft -A FORWARD -i warren-br0 -j ACCEPT
iptables-nft -A FORWARD -o warren-br0 -j ACCEPT
iptables-nft -A FORWARD -i warren0 -j ACCEPT
iptables-nft -A FORWARD -o warren0 -j ACCEPT
`,
	},
}

// both runs the commands for IPv4 and for IPv6.
func both(t *testing.T, commands string) {
	t.Helper()
	namespace.Run(t, commands)
	namespace.Run(t, strings.ReplaceAll(commands, "iptables", "ip6tables"))
}

// save is what iptables would save: a rule that it does not understand would not be there, or not as it was.
func save(t *testing.T) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(namespace.Run(t, "iptables-nft-save\nip6tables-nft-save")) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func restore(t *testing.T) {
	t.Helper()
	for _, command := range []string{"iptables", "ip6tables"} {
		pipe := fmt.Sprintf("%[1]s-nft-save | %[1]s-nft-restore", command)
		if out, err := exec.Command("sh", "-c", pipe).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", pipe, err, out)
		}
	}
}

func ownRules(saved, chain string) int {
	return strings.Count(saved, "-A "+chain+" ") - strings.Count(strings.Join(without(saved), ""), "-A "+chain+" ")
}

// without are the saved lines that are not warren's.
func without(saved string) []string {
	return slices.DeleteFunc(slices.Collect(strings.Lines(saved)), func(line string) bool {
		return strings.Contains(line, `"warren: `)
	})
}

func TestPrivilegedIPTables(t *testing.T) {
	meshtest.Privileged(t)
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			namespace.Enter(t)
			both(t, s.commands)
			before := save(t)
			f := testFirewalls()
			_, doubts, err := f.Pass(t.Context())
			if err != nil || len(doubts) > 0 {
				t.Fatalf("doubts %q, %v", doubts, err)
			}
			saved := save(t)
			if diff := cmp.Diff([]int{2 * s.forward, 2 * s.input},
				[]int{ownRules(saved, "FORWARD"), ownRules(saved, "INPUT")}); diff != "" {
				t.Errorf("rules in FORWARD and INPUT (-want +got):\n%s%s", diff, saved)
			}
			own, last := strings.LastIndex(saved, `"warren: `), strings.LastIndex(saved, "-A FORWARD "+s.behind)
			if s.behind != "" && own > last {
				t.Errorf("warren's rules are behind %s:\n%s", s.behind, saved)
			}
			if changed, _, err := f.Pass(t.Context()); err != nil || len(changed) > 0 {
				t.Errorf("the second pass changed %q, %v", changed, err)
			}
			// A firewall that is saved and restored writes the comments in its own way.
			restore(t)
			if changed, _, err := f.Pass(t.Context()); err != nil || len(changed) > 0 {
				t.Errorf("after iptables has restored what it saved, a pass changed %q, %v", changed, err)
			}
			if err := Remove(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, save(t)); diff != "" {
				t.Errorf("after the removal (-before +after):\n%s", diff)
			}
		})
	}
}

// TestPrivilegedReload: what a reload flushes, or puts a rule that drops everything before, is put back; what somebody
// drops by name is dropped.
func TestPrivilegedReload(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	both(t, "iptables-nft -P FORWARD DROP\niptables-nft -A FORWARD -i warren-br0 -p tcp --dport 25 -j DROP")
	f := testFirewalls()
	for _, step := range []struct {
		commands string
		want     int
	}{
		{"", 8},
		{"iptables-nft -F FORWARD", 8},
		{"iptables-nft -I FORWARD -j DROP", 8},
		{"iptables-nft -D FORWARD -j DROP", 8},
		{"nft flush ruleset\niptables-nft -P FORWARD DROP", 4},
	} {
		namespace.Run(t, step.commands)
		if _, doubts, err := f.Pass(t.Context()); err != nil || len(doubts) > 0 {
			t.Fatalf("%q, %v", doubts, err)
		}
		saved := save(t)
		if n := ownRules(saved, "FORWARD"); n != step.want {
			t.Errorf("after %q: %d rules, want %d:\n%s", step.commands, n, step.want, saved)
		}
		if named := strings.LastIndex(saved, "--dport 25"); named > strings.LastIndex(saved, `"warren: `) {
			t.Errorf("after %q, warren's rules are before one that drops by name:\n%s", step.commands, saved)
		}
	}
}

// TestPrivilegedOthers: firewalls that are not iptables' are left alone, and said; what is said, done, ends it.
func TestPrivilegedOthers(t *testing.T) {
	meshtest.Privileged(t)
	for _, s := range []struct{ name, commands, says, remedy string }{
		{
			"a policy in forward", `
nft add table inet filter
nft add chain inet filter forward { type filter hook forward priority 0; policy drop; }
nft add rule inet filter forward ct state established,related accept
`,
			`chain forward of nftables table inet filter may drop pods' and the mesh's packets: nft 'insert rule`, `
nft insert rule inet filter forward iifname { "warren0", "warren-br0" } accept
nft insert rule inet filter forward oifname { "warren0", "warren-br0" } accept
`,
		},
		{
			"a policy in input", `
nft add table ip fw
nft add chain ip fw in { type filter hook input priority -5; policy drop; }
`,
			"chain in of nftables table ip fw may drop WireGuard's packets: nft insert rule ip fw in udp dport 51820 accept", `
nft insert rule ip fw in udp dport 51820 accept
`,
		},
		{
			"firewalld", `
nft add table inet firewalld
nft add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy accept; }
nft add rule inet firewalld filter_FORWARD ct state established,related accept
nft add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited
`,
			"firewall-cmd --permanent --zone=trusted --add-interface=warren0 --add-interface=warren-br0", `
nft insert rule inet firewalld filter_FORWARD iifname "warren0" accept
nft insert rule inet firewalld filter_FORWARD iifname "warren-br0" accept
`,
		},
		{
			"legacy iptables", `
iptables-legacy -P FORWARD DROP
`,
			"the policy of iptables-legacy may drop pods' and the mesh's packets: iptables-legacy -I FORWARD", `
iptables-legacy -I FORWARD -i warren-br0 -j ACCEPT
iptables-legacy -I FORWARD -o warren-br0 -j ACCEPT
iptables-legacy -I FORWARD -i warren0 -j ACCEPT
iptables-legacy -I FORWARD -o warren0 -j ACCEPT
`,
		},
		{
			"legacy iptables for IPv6, in input", `
ip6tables-legacy -P INPUT DROP
`,
			"the policy of ip6tables-legacy may drop WireGuard's packets: ip6tables-legacy -I INPUT -p udp --dport 51820", `
ip6tables-legacy -I INPUT -p udp --dport 51820 -j ACCEPT
`,
		},
		{
			"a rule by name in forward", `
nft add table ip fw
nft add chain ip fw way { type filter hook forward priority 5; }
nft add rule ip fw way ct state established accept
nft add rule ip fw way oifname "warren0" counter drop
`,
			"a rule of chain way of nftables table ip fw drops pods' and the mesh's packets by name: take that rule away", `
nft flush chain ip fw way
`,
		},
		{
			"a rule by name of iptables, in a chain that all packets jump to", `
iptables-nft -N HERE
iptables-nft -A INPUT -j HERE
iptables-nft -A HERE -p udp --dport 51820 -j DROP
`,
			"a rule of chain INPUT of nftables table ip filter drops WireGuard's packets by name", `
iptables-nft -F HERE
`,
		},
	} {
		t.Run(s.name, func(t *testing.T) {
			namespace.Enter(t)
			f := testFirewalls()
			namespace.Run(t, s.commands)
			before := namespace.Run(t, "nft list ruleset")
			changed, doubts, err := f.Pass(t.Context())
			if err != nil || len(changed) > 0 || len(doubts) != 1 || !strings.Contains(doubts[0], s.says) {
				t.Errorf("changed %q, said %q, %v; want %q", changed, doubts, err, s.says)
			}
			if diff := cmp.Diff(before, namespace.Run(t, "nft list ruleset")); diff != "" {
				t.Errorf("the ruleset (-before +after):\n%s", diff)
			}
			namespace.Run(t, s.remedy)
			if _, doubts, err := f.Pass(t.Context()); err != nil || len(doubts) > 0 {
				t.Errorf("after the remedy: %q, %v", doubts, err)
			}
		})
	}
}

// TestPrivilegedUnreadable: a set that a newer nft has written, and that crashes warren's, is said until it is gone.
func TestPrivilegedUnreadable(t *testing.T) {
	meshtest.Privileged(t)
	newer := debian13.NFTFor(t)
	namespace.Enter(t)
	namespace.Run(t, newer+"/nft add table inet fw\n"+newer+"/nft add set inet fw banned { type ipv4_addr; }")
	f := testFirewalls()
	_, doubts, err := f.Pass(t.Context())
	if err != nil || len(doubts) != 1 || !strings.HasPrefix(doubts[0], "set banned of nftables table inet fw crashes") {
		t.Errorf("said %q, %v", doubts, err)
	}
	if !f.Concerns(nft.ID{Family: "inet", Name: "fw"}, "", "") {
		t.Error("that the table goes is no concern")
	}
	namespace.Run(t, newer+"/nft delete set inet fw banned")
	if _, doubts, err := f.Pass(t.Context()); err != nil || len(doubts) > 0 {
		t.Errorf("without the set: %q, %v", doubts, err)
	}
}

// TestPrivilegedOwnTablesAreRead: warren's own table, as an earlier version declared its sets, which a newer nft has
// loaded from a saved ruleset. Where warren's nft is as new, no set is in doubt. An older one cannot read them, and the
// remedy is to delete them.
func TestPrivilegedOwnTablesAreRead(t *testing.T) {
	meshtest.Privileged(t)
	older := os.Getenv("PATH")
	t.Setenv("PATH", debian13.NFTFor(t)+":"+older)
	namespace.Enter(t)
	namespace.Run(t, "nft add table inet warren\nnft add set inet warren node-ips4 { type ipv4_addr; }")
	if _, doubts, err := testFirewalls().Pass(t.Context()); err != nil || len(doubts) > 0 {
		t.Errorf("with a newer nft: %q, %v", doubts, err)
	}
	t.Setenv("PATH", older)
	_, doubts, err := testFirewalls().Pass(t.Context())
	if err != nil || len(doubts) != 1 || !strings.HasSuffix(doubts[0], "nft 'delete table inet warren'") {
		t.Errorf("with an older nft: %q, %v", doubts, err)
	}
}

// TestPrivilegedClosed: what is not to be opened is left alone, and said.
func TestPrivilegedClosed(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	namespace.Run(t, "iptables-nft -P FORWARD DROP\nip6tables-nft -P INPUT DROP")
	before := save(t)
	f := testFirewalls()
	f.Open = false
	changed, doubts, err := f.Pass(t.Context())
	if err != nil || len(changed) > 0 || len(doubts) != 2 {
		t.Errorf("changed %q, said %q, %v", changed, doubts, err)
	}
	if diff := cmp.Diff(before, save(t)); diff != "" {
		t.Errorf("iptables (-before +after):\n%s", diff)
	}
}

// TestPrivilegedUnforwarded finds whose host ports have rules of portmap's, whatever its backend.
func TestPrivilegedUnforwarded(t *testing.T) {
	meshtest.Privileged(t)
	for backend, commands := range map[string]string{
		"nftables": `
nft add table ip cni_hostport
nft add chain ip cni_hostport hostports
nft add rule ip cni_hostport hostports tcp dport 80 dnat to 10.0.0.1:80 comment 0123456789
`,
		"iptables": `
iptables-nft -t nat -N CNI-HOSTPORT-DNAT
iptables-nft -t nat -A CNI-HOSTPORT-DNAT -p tcp --dport 80 -m comment --comment id:0123456789 -j ACCEPT
`,
		"legacy iptables": `
iptables-legacy -t nat -N CNI-HOSTPORT-DNAT
iptables-legacy -t nat -A CNI-HOSTPORT-DNAT -p tcp --dport 80 -m comment --comment id:0123456789 -j ACCEPT
`,
	} {
		t.Run(backend, func(t *testing.T) {
			namespace.Enter(t)
			namespace.Run(t, commands)
			for v6, want := range map[bool][]string{false: {"abcdef"}, true: {"abcdef", "0123456789"}} {
				lost, err := Unforwarded([]string{"abcdef", "0123456789"}, v6)
				if diff := cmp.Diff(want, lost); err != nil || diff != "" {
					t.Errorf("IPv6 %v, %v (-want +got):\n%s", v6, err, diff)
				}
			}
		})
	}
}

package firewalls

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// TestPrivilegedLook: what drops all packets is told from what lets some in, and from what concerns nobody's mesh; and
// nothing is changed.
func TestPrivilegedLook(t *testing.T) {
	meshtest.Privileged(t)
	for _, s := range []struct {
		name, commands string
		// want are kind, family, interfaces and whether it drops surely.
		want []string
	}{
		{"nothing", "", nil},
		{"iptables' policy", "iptables-nft -P FORWARD DROP", []string{"forwarded ip > surely"}},
		{
			"… with a rule that lets something in", `
iptables-nft -P FORWARD DROP
iptables-nft -A FORWARD -o docker0 -j ACCEPT
`, []string{"forwarded ip > perhaps"},
		},
		{
			"… with rules that let the mesh in", `
iptables-nft -P FORWARD DROP
iptables-nft -A FORWARD -i warren-br0 -j ACCEPT
iptables-nft -A FORWARD -o warren-br0 -j ACCEPT
iptables-nft -A FORWARD -i warren0 -j ACCEPT
iptables-nft -A FORWARD -o warren0 -j ACCEPT
`, nil,
		},
		{
			"… in input, opened", `
ip6tables-nft -P INPUT DROP
ip6tables-nft -A INPUT -p udp --dport 51820 -j ACCEPT
`, []string{"to-node ip6 > perhaps"},
		},
		{
			"another table", `
nft add table inet filter
nft add chain inet filter in { type filter hook input priority 0; policy drop; }
`, []string{"wireguard inet > surely", "to-node inet > surely"},
		},
		{
			"rules by name", `
nft add table inet fw
nft add chain inet fw way { type filter hook forward priority 0; }
nft add rule inet fw way iifname "warren-br0" oifname "warren0" drop
nft add rule inet fw way iifname "docker0" oifname "warren0" drop
nft add rule inet fw way iifname "docker0" accept
nft add rule inet fw way iifname "warren0" reject
nft add rule inet fw way ip saddr 192.0.2.1 iifname "warren0" drop
nft add chain inet fw in { type filter hook input priority 0; }
nft add rule inet fw in ip saddr 192.0.2.7 udp dport 51820 drop
nft add rule inet fw in udp dport 51820 drop
nft add rule inet fw in udp dport 53 drop
`, []string{
				"forwarded inet warren-br0>warren0 surely", "forwarded inet warren0> perhaps", "wireguard inet > some",
				"wireguard inet > surely",
			},
		},
		{"warren's own", `
nft add table inet warren
nft add chain inet warren in { type filter hook input priority 0; policy drop; }
`, nil},
		{"the legacy iptables", "iptables-legacy -P INPUT DROP", []string{"wireguard ip > perhaps"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			namespace.Enter(t)
			namespace.Run(t, s.commands)
			before := namespace.Run(t, "nft list ruleset")
			found, err := testFirewalls().Look(t.Context())
			var got []string
			for _, x := range found {
				sure := map[bool]string{true: "surely", false: "perhaps"}[x.Surely]
				if x.Some {
					sure = "some"
				}
				got = append(got, fmt.Sprintf("%s %s %s>%s %s", x.Kind, x.Family, x.In, x.Out, sure))
				if x.Reason == "" || x.Remedy == "" {
					t.Errorf("%+v", x)
				}
			}
			if diff := cmp.Diff(s.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(before, namespace.Run(t, "nft list ruleset")); diff != "" {
				t.Errorf("the ruleset (-before +after):\n%s", diff)
			}
		})
	}
}

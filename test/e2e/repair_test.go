package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/lab"
)

// repairTime is what the daemon has to find and mend what somebody else has done.
const repairTime = 2 * time.Second

// damage is one small thing that somebody else does to a node's mesh while the daemon runs.
type damage struct {
	name string
	// command does it, in a shell on the node; inquiry is the one of inquiries that shows it.
	command, inquiry string
	// logged is in the one line of the log about the repair.
	logged string
}

// damages are what is done to the first node, in every family.
func (tg *target) damages(t *testing.T) []damage {
	t.Helper()
	all := tg.deviceDamages(t)
	for _, own := range tg.node.Addrs() {
		all = append(all, tg.routingDamages(t, own)...)
	}
	return slices.Concat(all, tg.firewallDamages(), tg.sysctlDamages())
}

// sysctlDamages are what programs do at their start or end, and administrators do for safety.
func (tg *target) sysctlDamages() []damage {
	var all []damage
	for _, d := range []struct{ name, set string }{
		{"net/ipv4/ip_forward", "0"}, {"net/ipv6/conf/all/forwarding", "0"}, {"net/ipv4/conf/all/src_valid_mark", "0"},
		{"net/ipv4/conf/warren0/forwarding", "0"}, {"net/ipv4/conf/warren-br0/forwarding", "0"},
		{"net/ipv6/conf/warren-br0/disable_ipv6", "1"},
	} {
		all = append(all, damage{strings.ReplaceAll(d.name, "/", "."), "echo " + d.set + " >/proc/sys/" + d.name,
			"cat /proc/sys/" + d.name, `msg="sysctl set" sysctl=` + d.name + " value="})
	}
	return all
}

func (tg *target) deviceDamages(t *testing.T) []damage {
	t.Helper()
	peer := publicKey(t, tg.Node(2))
	const allowedIPs = "wg show warren0 allowed-ips"
	return []damage{
		{"peer", "wg set warren0 peer " + peer + " remove", allowedIPs, `msg="peer added" node=node2 `},
		{"allowed-ips", "wg set warren0 peer " + peer + " allowed-ips 192.0.2.1/32", allowedIPs,
			`msg="peer updated" node=node2 `},
		{"key", "wg genkey | wg set warren0 private-key /dev/stdin", "wg show warren0 public-key", `msg="device set" `},
		{"port", "wg set warren0 listen-port 40000", "wg show warren0 listen-port", `msg="device set" `},
		{"mtu", "ip link set warren0 mtu 1300", "ip link show dev warren0", `msg="interface set" iface=warren0 `},
	}
}

// routingDamages are those of an address family.
func (tg *target) routingDamages(t *testing.T, like netip.Addr) []damage {
	t.Helper()
	ip, inet := ipOf(like)
	gateway := netip.PrefixFrom(tg.node.Gateway(t, like), like.BitLen())
	cluster := sameFamily(tg.ClusterCIDRs(), like)
	return append(tg.waysDeleted(t, like),
		damage{"unreachable-route-" + inet, ip + "route delete unreachable " + cluster.String(),
			ip + "route show table all proto 87", fmt.Sprintf(`msg="route added" value="unreachable %v `, cluster)},
		damage{"address-" + inet, ip + "address delete " + gateway.String() + " dev warren0",
			"ip -br address show dev warren0", fmt.Sprintf(`msg="interface address added" value=%v`, gateway)})
}

// waysDeleted are the deletions of one route or rule by which some packets of an address family leave the node.
func (tg *target) waysDeleted(t *testing.T, like netip.Addr) []damage {
	t.Helper()
	ip, inet := ipOf(like)
	other := tg.Node(2)
	cluster, pods := sameFamily(tg.ClusterCIDRs(), like), sameFamily(other.PodCIDRs(t), like)
	host := netip.PrefixFrom(other.Addr(like), like.BitLen())
	routes, rules, set := ip+"route show table all proto 87", ip+"rule", `msg="rules set" value="`+inet+` lookup local,`
	return []damage{
		{"route-" + inet, ip + "route delete " + pods.String() + " dev warren0 table 8787", routes,
			fmt.Sprintf(`msg="route added" value="%v dev warren0 `, pods)},
		{"node-route-" + inet, ip + "route delete " + host.String() + " dev warren0 table 8788", routes,
			fmt.Sprintf(`msg="route added" value="%v dev warren0 `, host)},
		{"rule-" + inet, ip + "rule delete to " + cluster.String() + " lookup 8787", rules, set},
		{"node-rule-" + inet, ip + "rule delete from " + cluster.String() + " lookup 8788", rules, set},
	}
}

// ipOf returns the ip command of an address family, and the family's name in the daemon's log.
func ipOf(like netip.Addr) (ip, inet string) {
	if like.Is6() {
		return "ip -6 ", "inet6"
	}
	return "ip -4 ", "inet"
}

func (tg *target) firewallDamages() []damage {
	const table, replaced = "nft --stateless list table inet warren", `msg="firewall table replaced" `
	addr := tg.Node(2).Addrs()[0]
	return []damage{
		{"table", "nft delete table inet warren", table, replaced},
		{"chain", "nft flush chain inet warren guard-out", table, replaced},
		{"node-address", fmt.Sprintf("nft delete element inet warren node-ips4 '{ %v }'", addr), table,
			fmt.Sprintf(`msg="guarded node address added" value=%v`, addr)},
	}
}

// repaired does damage, measures how long it lasts, and wants one line of log about it and peace thereafter.
func (tg *target) repaired(t *testing.T, d damage) {
	n := tg.node
	logged := len(n.Log())
	counted := operations(t, n)
	before := inquire(n, d.inquiry)
	n.MustExec(t, "sh", "-c", d.command)
	done := time.Now()
	lab.Wait(t, time.Minute, "repair of "+d.name, func() error {
		if now := inquire(n, d.inquiry); !slices.Equal(now, before) {
			return fmt.Errorf("%s shows %q", d.inquiry, now)
		}
		return nil
	})
	tg.whole(t)
	written := repairs(t, n, counted)
	pass(t, tg.flows, peaceful)
	if now := operations(t, n); now != written {
		t.Errorf("%d writes to the host after the repair", now-written)
	}
	wantOnce(t, n.Log()[logged:], d.logged)
	// By the daemon's log: what this test takes to look is not the daemon's.
	took := loggedAt(t, n.Log()[logged:], d.logged).Sub(done)
	t.Logf("repaired after %v", took.Round(time.Millisecond))
	if took > repairTime {
		t.Errorf("repaired after %v, want %v at most", took, repairTime)
	}
}

// peaceful is how many packets each flow sends while nothing may be repaired any more: a second, in which the daemon
// also looks at its device by itself.
const peaceful = 200

// inquire is an answer's lines, sorted; or the error's, of what is absent.
func inquire(n *lab.Node, inquiry string) []string {
	command := strings.Fields(inquiry)
	answer, _ := n.Exec(command[0], command[1:]...)
	return sorted(answer)
}

// loggedAt is when the daemon wrote the first line with this text.
func loggedAt(t *testing.T, log, text string) time.Time {
	t.Helper()
	for line := range strings.Lines(log) {
		if stamp, rest, _ := strings.Cut(line, " "); strings.Contains(rest, text) {
			at, err := time.Parse(time.RFC3339Nano, strings.TrimPrefix(stamp, "time="))
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
	}
	t.Fatalf("no line of log with %s in:\n%s", text, log)
	return time.Time{}
}

// wantOnce wants one line with this text, and none twice.
func wantOnce(t *testing.T, log, text string) {
	t.Helper()
	if n := strings.Count(log, text); n != 1 {
		t.Errorf("%d lines of log with %s, want 1, in:\n%s", n, text, log)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(log) {
		_, line, _ = strings.Cut(line, " ") // without its time
		if seen[line] {
			t.Errorf("logged again: %s", line)
		}
		seen[line] = true
	}
}

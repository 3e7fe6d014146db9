package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
)

// party is somebody else who routes on a node. comes and goes are shell commands for the address family of like, in
// which $F is the option of ip(8), $NODE the node's address, $NET its network, $ROUTER a router there, $CIDR a remote
// node's pod CIDR, $POD a pod in it, $BARRIER what has a barrier in the main table, and $TUNNEL an address for an
// interface.
type party struct {
	name, comes, goes string
}

var parties = []party{
	{
		name: "multi-homed",
		comes: `ip $F route add $NET dev eth0 table 100
ip $F route add default via $ROUTER dev eth0 table 100
ip $F rule add from $NODE lookup 100 priority 10000`,
		goes: `ip $F rule delete priority 10000
ip $F route flush table 100`,
	},
	{
		// What wg-quick(8) does for AllowedIPs = 0.0.0.0/0, ::/0, with the table that it prefers.
		name: "full-tunnel",
		comes: `ip link add vpn$F type veth peer name nowhere$F
ip link set vpn$F up; ip link set nowhere$F up
ip $F address add $TUNNEL dev vpn$F
ip $F rule add not fwmark 51820 table 51820
ip $F rule add table main suppress_prefixlength 0
ip $F route add default dev vpn$F table 51820`,
		goes: `ip $F rule delete table 51820
ip $F rule delete table main suppress_prefixlength 0
ip link delete vpn$F`,
	},
	{
		// As host routes of another CNI plugin. The tables are warren's own: nobody need remove what is put there.
		name: "routes",
		comes: `ip $F route replace $CIDR via $ROUTER dev eth0
ip $F route replace $POD via $ROUTER dev eth0
ip $F route replace $CIDR via $ROUTER dev eth0 table 8787
ip $F route replace $POD via $ROUTER dev eth0 table 8787`,
		goes: `ip $F route delete $CIDR via $ROUTER dev eth0
ip $F route delete $POD via $ROUTER dev eth0`,
	},
	{
		// As for VRFs: Documentation/networking/vrf.rst of Linux.
		name:  "local-table-last",
		comes: "ip $F rule add lookup local priority 32765; ip $F rule delete priority 0",
		goes:  "ip $F rule add lookup local priority 0; ip $F rule delete priority 32765",
	},
}

// forget removes warren's routes and rules, as if it had never been there.
const forget = `for f in -4 -6; do
	while ip $f rule delete protocol 87 2>/dev/null; do :; done
	ip $f route flush table all proto 87
done`

// testRouting has others route on node3, who come after warren, or were there before it, and go away.
func testRouting(t *testing.T, h *hosts) {
	for _, p := range parties {
		t.Run(p.name, func(t *testing.T) {
			h.does(t, p.comes)
			h.waitFirst(t)
			h.wantWays(t, "came after warren")
			h.three.StopDaemon(t)
			h.three.MustExec(t, "sh", "-ec", forget)
			h.three.StartDaemon(t, h.daemonArgs...)
			h.three.WaitReady(t)
			h.waitFirst(t)
			h.wantWays(t, "was there before warren")
			h.does(t, p.goes)
			h.waitFirst(t)
			h.wantWays(t, "is gone")
		})
	}
}

// testObstacle puts somebody else's route in the place of a barrier in the main table: everybody is reached as before,
// node3's daemon says what is wrong, and notices when it is right again.
func testObstacle(t *testing.T, h *hosts) {
	const barrier = "dev eth0 metric 4294967295"
	h.does(t, "ip $F route replace $BARRIER "+barrier)
	lab.Wait(t, patience, "node3 to name the obstacle", func() error {
		const says = "somebody else's route is in its place"
		if err := h.three.Ready(); err == nil || !strings.Contains(err.Error(), says) {
			return fmt.Errorf("/readyz says %v", err)
		}
		return nil
	})
	h.wantWays(t, "has the place of a barrier")
	h.does(t, "ip $F route delete $BARRIER "+barrier)
	took := lab.Wait(t, patience, "node3 to be ready", h.three.Ready)
	t.Logf("ready %v after the obstacles are gone", took.Round(time.Millisecond))
}

// does runs a party's commands on node3 for each address family.
func (h *hosts) does(t *testing.T, commands string) {
	t.Helper()
	for _, like := range h.three.Addrs() {
		bits, tunnel := 24, "10.99.0.2"
		if like.Is6() {
			bits, tunnel = 64, "fd99::2"
		}
		// Where the cluster's ranges are not configured, each pod CIDR has a barrier of its own.
		barrier := sameFamily(h.ClusterCIDRs(), like)
		if len(h.daemonArgs) > 0 {
			barrier = sameFamily(h.one.PodCIDRs(t), like)
		}
		values := strings.NewReplacer("$F", option(like), "$NODE", like.String(),
			"$NET", netip.PrefixFrom(like, bits).Masked().String(), "$ROUTER", h.Control.Addr(like).String(),
			"$CIDR", sameFamily(h.one.PodCIDRs(t), like).String(), "$BARRIER", barrier.String(),
			"$POD", h.a.Addr(like).String(), "$TUNNEL", tunnel)
		h.three.MustExec(t, "sh", "-ec", values.Replace(commands))
	}
}

// option is that of ip(8) for the address family.
func option(like netip.Addr) string {
	if like.Is6() {
		return "-6"
	}
	return "-4"
}

// waitFirst waits until node3 asks warren's rules before anybody else's, and all routes in warren's tables are its own.
func (h *hosts) waitFirst(t *testing.T) {
	t.Helper()
	for _, like := range h.three.Addrs() {
		f := option(like)
		lab.Wait(t, patience, "warren's rules to come first", func() error {
			return first(h.three.MustExec(t, "ip", f, "rule"))
		})
		for _, table := range []string{"8787", "8788"} {
			lab.Wait(t, patience, "others' routes to be gone", func() error {
				for line := range strings.Lines(h.three.MustExec(t, "ip", f, "route", "show", "table", table)) {
					if !strings.Contains(line, " proto 87 ") {
						return fmt.Errorf("table %s has %s", table, line)
					}
				}
				return nil
			})
		}
	}
}

// first is nil if the first rule after the kernel's own, at preference 0, is warren's.
func first(rules string) error {
	for line := range strings.Lines(rules) {
		switch {
		case strings.HasPrefix(line, "0:"):
		case strings.Contains(line, " proto 87"):
			return nil
		default:
			return fmt.Errorf("the first rule is %s", line)
		}
	}
	return fmt.Errorf("no rule of warren's in %q", rules)
}

// wantWays asks from and to node3 and its pods, in plain words of when.
func (h *hosts) wantWays(t *testing.T, when string) {
	t.Helper()
	for _, like := range h.three.Addrs() {
		for _, way := range []struct {
			name string
			from *host.Host
			to   netip.AddrPort
		}{
			{"remote pod to a pod of the node", h.a.Host, h.far.Echo(like)},
			{"remote pod to the node", h.a.Host, h.three.Echo(like)},
			{"remote pod to a Service of the node's host network", h.a.Host, h.hostNetwork.clusterAddr(h.Lab, like)},
			{"pod of the node to a remote pod", h.far.Host, h.a.Echo(like)},
			{"pod of the node to a remote node", h.far.Host, h.one.Echo(like)},
			{"pod of the node to its own node", h.far.Host, h.three.Echo(like)},
			{"pod of the node to its gateway", h.far.Host, netip.AddrPortFrom(h.three.Gateway(t, like),
				h.three.Echo(like).Port())},
			{"the node to its own pod", h.three.Host, h.far.Echo(like)},
			{"the node to a remote pod", h.three.Host, h.a.Echo(like)},
			{"the node to a Service of a remote pod", h.three.Host, h.own.clusterAddr(h.Lab, like)},
			{"the node to a remote node", h.three.Host, h.one.Echo(like)},
		} {
			for _, network := range []string{"tcp", "udp"} {
				if _, _, err := ask(t.Context(), way.from, network, way.to); err != nil {
					t.Errorf("somebody who routes %s: %s: %v", when, way.name, err)
				}
			}
		}
	}
}

// earlier puts routes and rules where versions before tables 8787 and 8788 had them, and takes away the others, from
// behind: each packet finds one or the other.
const earlier = `for n in $NODES; do
	ip $F route add $n dev warren0 table 51820 proto 87
	ip $F route add unreachable $n table 51820 metric 4294967295 proto 87
done
for p in $PODS; do ip $F route add $p dev warren0 src $GATEWAY proto 87; done
ip $F rule add priority 98 fwmark 0x800000/0x800000 lookup main protocol 87
ip $F rule add priority 100 from $OWN lookup 51820 protocol 87
ip $F rule add priority 101 iif warren0 lookup 51820 protocol 87
ip $F rule | tac | sed -nE 's/^(49|50):(.*)proto 87$/priority \1 \2 protocol 87/p' |
	while read -r rule; do ip $F rule delete $rule; done
ip $F route flush table 8787; ip $F route flush table 8788`

// testEarlierVersion has a daemon take over from one that had other tables and preferences, while everybody sends.
func testEarlierVersion(t *testing.T, h *hosts) {
	n := h.one
	before := snapshot(t, n)
	flows := h.crossing(t)
	n.StopDaemon(t)
	for _, like := range n.Addrs() {
		n.MustExec(t, "sh", "-ec", strings.NewReplacer("$F", option(like), "$GATEWAY", n.Gateway(t, like).String(),
			"$OWN", sameFamily(n.PodCIDRs(t), like).String(),
			"$NODES", fmt.Sprint(h.two.Addr(like), " ", h.three.Addr(like)),
			"$PODS", fmt.Sprint(sameFamily(h.two.PodCIDRs(t), like), " ", sameFamily(h.three.PodCIDRs(t), like)),
		).Replace(earlier))
	}
	if rules := n.MustExec(t, "ip", "rule"); !strings.Contains(rules, "lookup 51820 proto 87") ||
		strings.Contains(rules, "lookup 878") {
		t.Fatalf("the rules are not those of an earlier version:\n%s", rules)
	}
	pass(t, flows, broken)
	n.StartDaemon(t, h.daemonArgs...)
	lab.Wait(t, time.Minute, "the node to be as it was", func() error {
		now, err := trySnapshot(n)
		if err != nil {
			return err
		}
		return differing(before, now)
	})
	n.WaitReady(t)
	pass(t, flows, broken)
	wantNoLoss(t, flows)
}

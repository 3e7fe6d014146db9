package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

// others are what somebody else has on a node, most of it next to warren's own.
var others = []string{
	"sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
	"nft add table inet other; nft add chain inet other warren",
	"for i in iptables-nft ip6tables-nft; do $i -P FORWARD DROP; $i -P INPUT DROP; $i -A INPUT -p udp -j ACCEPT; done",
	"for i in iptables-nft ip6tables-nft; do $i -A INPUT ! -p udp -j ACCEPT; $i -A FORWARD -i docker0 -j ACCEPT; done",
	"ip route add 203.0.113.0/24 via 172.31.9.254 proto static; ip route add unreachable 198.51.100.128/25 table 51820",
	"ip rule add priority 99 from 203.0.113.1 lookup 51820; ip -6 rule add priority 102 from 2001:db8::1 lookup main",
	"ip link add other-br0 type bridge",
	"mkdir -p /etc/cni/net.d /opt/cni/bin /run/warren-other",
	"echo '{}' >/etc/cni/net.d/20-other.conflist; echo other >/opt/cni/bin/other; echo other >/var/lib/warren/other",
}

// leftover is what an earlier version had elsewhere.
const leftover = `ip route add unreachable 172.31.9.2 table 51820 metric 4294967295 proto 87
ip -6 rule add priority 101 iif warren0 lookup 51820 protocol 87`

// possessions are what shows all that a node's network and disk hold. What container runtimes keep of pods is not
// warren's but the lab's; the sysctls that warren sets stay, for others may have come to rely on them.
var possessions = []string{
	"ip -details link", "ip address", "ip -4 route show table all", "ip -6 route show table all",
	"ip -4 rule", "ip -6 rule",
	"nft --stateless list ruleset",
	"find /etc/cni /opt/cni /var/lib/warren /run -not -path /run/lab* -printf %y:%m:%p:%l\\n",
}

func possessed(t *testing.T, n *lab.Node) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, inquiry := range possessions {
		command := strings.Fields(inquiry)
		all[inquiry] = slices.Sorted(strings.Lines(n.MustExec(t, command[0], command[1:]...)))
	}
	return all
}

// Once uninstalled, the host is as it was before warren came; and warren may come again.
func TestPrivilegedUninstall(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	l := lab.Start(t, lab.Options{Nodes: 2, Family: lab.Dual})
	captured(t, l)
	leaves, stays := l.Node(1), l.Node(2)
	for _, command := range others {
		leaves.MustExec(t, "sh", "-ec", command)
	}
	before := possessed(t, leaves)
	l.StartMesh(t)
	a, b := leaves.AddPod(t, "a"), stays.AddPod(t, "b")
	if _, err := a.Ping(b.Addrs()[0]); err != nil {
		t.Fatalf("%v", err)
	}
	a.Delete(t)
	// Somebody installs the next network before warren is gone.
	leaves.MustExec(t, "sh", "-c", "echo '"+nextNetwork+"' >"+nextFile)
	waitNetworkUnavailable(t, leaves, corev1.ConditionTrue)
	leaves.Annotate(t, map[string]string{"warren.mesh/persistent-keepalive": "25"})
	leaves.StopDaemon(t)
	leaves.KillDevice(t)
	leaves.MustExec(t, "sh", "-ec", leftover)
	leaves.MustExec(t, "rm", nextFile)
	if cmp.Equal(before, possessed(t, leaves)) {
		t.Fatal("warren has left no trace on the host: nothing is shown")
	}

	l.StopAPI(t)
	if out, err := uninstall(t, l, leaves); err == nil || !strings.Contains(out, "--node-annotations=false") {
		t.Errorf("uninstall without the API server: %v, want an error with a remedy:\n%s", err, out)
	}
	wantPossessed(t, leaves, before)
	l.StartAPI(t)
	for _, turn := range []string{"the first", "the second"} {
		if out, err := uninstall(t, l, leaves); err != nil {
			t.Errorf("uninstall for %s time: %v\n%s", turn, err, out)
		}
		wantPossessed(t, leaves, before)
	}
	want := map[string]string{"warren.mesh/persistent-keepalive": "25"}
	if diff := cmp.Diff(want, leaves.Object(t).Annotations); diff != "" {
		t.Errorf("annotations of the Node (-want +got):\n%s", diff)
	}
	if err := saysAvailable(t, leaves, "WarrenIsRemoved"); err != nil {
		t.Error(err)
	}
	waitViews(t, []*lab.Node{stays})

	leaves.StartDevice(t)
	leaves.StartDaemon(t)
	leaves.WaitReady(t)
	l.WaitMeshed(t)
	lab.Wait(t, time.Minute, "the condition to be said anew", func() error {
		return saysAvailable(t, leaves, "WarrenIsUp")
	})
	if _, err := leaves.AddPod(t, "c").Ping(b.Addrs()[0]); err != nil {
		t.Errorf("after another installation: %v", err)
	}
}

// nextNetwork is the CNI configuration of another network.
const (
	nextNetwork = `{"cniVersion": "1.0.0", "name": "next", "plugins": [{"type": "bridge"}]}`
	nextFile    = "/etc/cni/net.d/05-next.conflist"
)

// saysAvailable is nil if the Node's condition NetworkUnavailable is False for this reason.
func saysAvailable(t *testing.T, n *lab.Node, reason string) error {
	t.Helper()
	conditions := n.Object(t).Status.Conditions
	if !slices.ContainsFunc(conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeNetworkUnavailable && c.Status == corev1.ConditionFalse && c.Reason == reason
	}) {
		return fmt.Errorf("%s: NetworkUnavailable is not False because of %s: %v", n.Name, reason, conditions)
	}
	return nil
}

// uninstall runs `warren uninstall` with the credential of the node's daemon.
func uninstall(t *testing.T, l *lab.Lab, n *lab.Node) (out string, err error) {
	t.Helper()
	return n.Exec(l.Warren(t), "uninstall", "--node-name="+n.Name,
		"--kubeconfig="+filepath.Join(l.Dir, "pki", n.Name+".kubeconfig"))
}

func wantPossessed(t *testing.T, n *lab.Node, want map[string][]string) {
	t.Helper()
	if diff := cmp.Diff(want, possessed(t, n)); diff != "" {
		t.Errorf("%s is not as it was (-before +after):\n%s", n.Name, diff)
	}
}

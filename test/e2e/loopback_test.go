package e2e

import (
	"fmt"
	"net/netip"
	"testing"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/capture"
)

// Hosts do not always hold their node's address on the interface to the others: the first node has it on lo, as where
// hosts speak BGP, and the second on no interface, as behind 1:1 NAT. The third is as usual.
func TestPrivilegedNodeAddressElsewhere(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	l := lab.Start(t, lab.Options{Family: lab.IPv4, Nodes: 3})
	one, two, three := l.Node(1), l.Node(2), l.Node(3)
	rehome(t, one, "ip address add %[1]v/32 dev lo; ip route replace 172.31.9.0/24 dev eth0 src %[1]v")
	outside := rehome(t, two, "")
	two.Annotate(t, map[string]string{
		"warren.mesh/force-endpoint": netip.AddrPortFrom(outside, wireguardPort).String(),
	})
	l.StartMesh(t)
	for _, n := range l.Nodes() {
		if got := mtu(t, n.Host, "warren0"); got != 1420 {
			t.Errorf("%s: warren0 has MTU %d on an underlay of 1500, want 1420", n.Name, got)
		}
	}
	pods := map[*lab.Node]*lab.Pod{}
	for _, n := range l.Nodes() {
		pods[n] = n.AddPod(t, "a")
	}
	watch := l.WatchBy(t, whole)
	for _, ends := range [][2]*lab.Node{{one, two}, {two, one}, {three, one}, {three, two}} {
		from, to := pods[ends[0]], pods[ends[1]]
		transfer{client: from.Host, server: to.Host, like: from.Addrs()[0]}.check(t)
	}
	r := watch.Stop()
	if r.Packets[kindFragment] > 0 || r.Packets[capture.WireGuard] == 0 {
		t.Errorf("on the underlay, want no fragments: %v", r)
	}
	for _, n := range l.Nodes() {
		if err := n.Ready(); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
}

// rehome takes a node's address from its interface to the others, which gets another one, and runs more commands with
// the node's address as argument.
func rehome(t *testing.T, n *lab.Node, more string) (link netip.Addr) {
	t.Helper()
	own := n.Addrs()[0]
	link = netip.AddrFrom4([4]byte{172, 31, 9, 200 + own.As4()[3]})
	script := fmt.Sprintf("ip address delete %v/24 dev eth0; ip address add %v/24 dev eth0; "+
		"ip route replace default via 172.31.9.254; ", own, link)
	if more != "" {
		script += fmt.Sprintf(more, own)
	}
	n.MustExec(t, "sh", "-ec", script)
	return link
}

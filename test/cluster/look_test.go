package cluster_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"warren.mesh/test/cluster"
	"warren.mesh/test/lab/host"
)

// glance is how long look captures.
const glance = 3 * time.Second

// look logs what a host's network knows of its neighbours, and each node's routes, rules, peers and tables, and then
// where the packets of a ping from the first pod to each of the others are seen. It is for a failure that comes once in
// many runs: the cluster is gone when somebody reads of it.
func look(t *testing.T, c *cluster.Cluster, pods ...*host.Host) {
	t.Helper()
	for _, pod := range pods {
		show(t, pod, "ip -s neighbour; ip -6 route; ip route; ip -s link; "+
			"nstat -az 2>/dev/null | grep -i -e discard -e drop -e noroute")
	}
	for _, n := range c.Nodes() {
		show(t, n.Host, "ip -s neighbour; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; "+
			"bridge fdb show br warren-br0; bridge mdb show; cat /sys/class/net/warren-br0/addr_assign_type; "+
			"wg show; ip -s link; sysctl -a 2>/dev/null | grep -e 'conf.*forwarding'; "+
			"nft list table inet warren; nft list table inet warren-policy; nft list table bridge warren; "+
			"conntrack -L 2>&1 | tail -n 50")
	}
	watched, cancel := context.WithTimeout(t.Context(), glance)
	defer cancel()
	var all sync.WaitGroup
	for _, n := range c.Nodes() {
		all.Go(func() {
			// It ends by the time, not by itself.
			out, _ := n.ExecContext(watched, "timeout", "2", "tcpdump", "-nn", "-e", "-l", "-c", "200", "-i", "any",
				"icmp or icmp6")
			t.Logf("%s sees\n%s", n.Name, out)
		})
	}
	for _, to := range pods[1:] {
		for _, addr := range to.Addrs() {
			all.Go(func() { ping(t, pods[0], addr) })
		}
	}
	all.Wait()
}

func ping(t *testing.T, from *host.Host, to netip.Addr) {
	took, err := from.Ping(to)
	t.Logf("%s → %v: %v, %v", from.Name, to, took, err)
}

func show(t *testing.T, h *host.Host, script string) {
	t.Helper()
	out, err := h.Exec("sh", "-c", script)
	t.Logf("%s, %v\n%s", h.Name, err, out)
}

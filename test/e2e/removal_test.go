package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	"warren.mesh/mesh/explain"
	"warren.mesh/test/lab"
)

// removal is one thing that is removed from the way of packets from the client to an address.
type removal struct {
	name string
	node *lab.Node
	to   netip.Addr
	// command removes it, in a shell on the node, and back puts back what the daemon does not.
	command, back string
	// step is the one of `warren explain` on the node that names it.
	step string
}

// removals are of all that packets from the client meet, on both nodes.
func (d dialogue) removals(t *testing.T) []removal {
	t.Helper()
	v4 := d.server.Addrs()[0]
	all := append(d.sessions(t, v4), d.firewalls(v4)...)
	all = append(all, d.unplugged(t, "port", d.client, v4), d.unplugged(t, "far-port", d.server, v4))
	for _, to := range d.server.Addrs() {
		all = append(all, d.routing(t, to)...)
	}
	return all
}

// unplugged takes a pod's port out of the bridge.
func (d dialogue) unplugged(t *testing.T, name string, pod *lab.Pod, to netip.Addr) removal {
	t.Helper()
	port := portOf(t, pod)
	return removal{
		name, pod.Node, to, "ip link set " + port + " nomaster", "ip link set " + port + " master warren-br0",
		explain.StepAttachment,
	}
}

// portOf returns the name of the host's end of a pod's veth pair.
func portOf(t *testing.T, pod *lab.Pod) string {
	t.Helper()
	var inside, outside []struct {
		Index int    `json:"ifindex"`
		Other int    `json:"link_index"`
		Name  string `json:"ifname"`
	}
	decode(t, pod.MustExec(t, "ip", "-json", "link", "show", "eth0"), &inside)
	decode(t, pod.Node.MustExec(t, "ip", "-json", "link"), &outside)
	for _, link := range outside {
		if link.Index == inside[0].Other {
			return link.Name
		}
	}
	text, _ := json.Marshal(inside)
	t.Fatalf("%s has no port: %s", pod.Name, text)
	return ""
}

// sessions removes the peer, and all sessions with a peer whose port is blocked.
func (d dialogue) sessions(t *testing.T, to netip.Addr) []removal {
	t.Helper()
	other := publicKey(t, d.b)
	remove := "wg set warren0 peer " + other + " remove"
	far := "wg set warren0 peer " + publicKey(t, d.a) + " remove"
	again := fmt.Sprintf("wg set warren0 peer %s allowed-ips %v endpoint %v:51820", other,
		sameFamily(d.b.PodCIDRs(t), to), d.b.Addr(to))
	// On the hook prerouting it is as if it were on the way: what explain reads of others' firewalls comes later.
	const block = "nft add table inet blocked && " +
		"nft 'add chain inet blocked in { type filter hook prerouting priority -300; }' && " +
		"nft add rule inet blocked in udp dport 51820 drop"
	return []removal{
		{"peer", d.a, to, remove, "", explain.StepPeer},
		{"far-peer", d.b, to, far, "", explain.StepPeer},
		{"session", d.a, to, block + " && " + remove + " && " + again, "nft delete table inet blocked",
			explain.StepSession},
	}
}

// firewalls has a firewall of the host's drop what it forwards, or WireGuard's packets.
func (d dialogue) firewalls(to netip.Addr) []removal {
	const (
		forward = "nft add table inet closed && " +
			"nft 'add chain inet closed way { type filter hook forward priority 0; policy drop; }'"
		port = "nft add table inet closed && " +
			"nft 'add chain inet closed in { type filter hook input priority 0; }' && " +
			"nft add rule inet closed in udp dport 51820 drop"
		open = "nft delete table inet closed"
	)
	return []removal{
		{"firewall", d.a, to, forward, open, explain.StepFirewall},
		{"far-firewall", d.b, to, forward, open, explain.StepFirewall},
		{"firewall-before-port", d.a, to, port, open, explain.StepFirewall},
		{"far-firewall-before-port", d.b, to, port, open, explain.StepFirewall},
		{"firewall-between-pods", d.a, d.neighbour.Addr(to), forward, open, explain.StepFirewall},
		{"iptables", d.a, to, "iptables-nft -P FORWARD DROP", "iptables-nft -P FORWARD ACCEPT", explain.StepFirewall},
	}
}

// routing removes rules and routes of an address family.
func (d dialogue) routing(t *testing.T, to netip.Addr) []removal {
	t.Helper()
	ip, family := "ip -4 ", "-inet"
	if to.Is6() {
		ip, family = "ip -6 ", "-inet6"
	}
	cluster, own, other := sameFamily(d.ClusterCIDRs(), to), sameFamily(d.a.PodCIDRs(t), to),
		sameFamily(d.b.PodCIDRs(t), to)
	return []removal{
		{"rule" + family, d.a, to, ip + "rule delete to " + cluster.String() + " lookup 8787", "", explain.StepRule},
		{"rule-to-own" + family, d.a, d.neighbour.Addr(to), ip + "rule delete to " + own.String() + " lookup main", "",
			explain.StepRule},
		{"rule-to-nodes" + family, d.a, d.b.Addr(to), ip + "rule delete from " + cluster.String() + " lookup 8788", "",
			explain.StepRule},
		{"route" + family, d.a, to, ip + "route delete " + other.String() + " dev warren0 table 8787", "",
			explain.StepRoute},
		{"table" + family, d.a, to, ip + "route flush table 8787", "", explain.StepTable},
		{"far-route" + family, d.b, to, ip + "route delete " + own.String() + " dev warren0 table 8787", "",
			explain.StepBack},
	}
}

package guard

import (
	"fmt"
	"net/netip"
	"testing"

	"warren.mesh/mesh/meshtest"
)

// translators are others who translate UDP port 51820 of the node to port 80 of the pod, by chains at the priority
// dstnat, -100, in prerouting and output: the rules of each one, in short.
var translators = map[string]string{
	"portmap, nftables": `
nft add table %[1]v cni_hostport
nft add chain %[1]v cni_hostport hostports
nft add rule %[1]v cni_hostport hostports udp dport 51820 dnat to %[2]v
nft add chain %[1]v cni_hostport prerouting { type nat hook prerouting priority -100; }
nft add rule %[1]v cni_hostport prerouting fib daddr type local jump hostports
nft add chain %[1]v cni_hostport output { type nat hook output priority -100; }
nft add rule %[1]v cni_hostport output fib daddr type local jump hostports
`,
	"portmap, iptables-nft":    xtables("nft"),
	"portmap, iptables-legacy": xtables("legacy"),
	"kube-proxy, nftables": `
nft add table %[1]v kube-proxy
nft add chain %[1]v kube-proxy services
nft add rule %[1]v kube-proxy services fib daddr type local udp dport 51820 meta mark set mark or 0x4000 dnat to %[2]v
nft add chain %[1]v kube-proxy nat-prerouting { type nat hook prerouting priority -100; }
nft add rule %[1]v kube-proxy nat-prerouting jump services
nft add chain %[1]v kube-proxy nat-output { type nat hook output priority -100; }
nft add rule %[1]v kube-proxy nat-output jump services
`,
	"kube-proxy, iptables": `
%[1]vtables -t nat -N KUBE-NODEPORTS
%[1]vtables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
%[1]vtables -t nat -A OUTPUT -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
%[1]vtables -t nat -A KUBE-NODEPORTS -p udp --dport 51820 -j DNAT --to-destination %[2]v
`,
	"kube-proxy, nodes' addresses as external IPs": `
%[1]vtables -t nat -N KUBE-SERVICES
%[1]vtables -t nat -A PREROUTING -j KUBE-SERVICES
%[1]vtables -t nat -A OUTPUT -j KUBE-SERVICES
%[1]vtables -t nat -A KUBE-SERVICES -p udp -d %[3]v --dport 51820 -j DNAT --to-destination %[2]v
%[1]vtables -t nat -A KUBE-SERVICES -p udp -d %[4]v --dport 51820 -j DNAT --to-destination %[2]v
`,
}

func xtables(backend string) string {
	return fmt.Sprintf(`
%%[1]vtables-%[1]v -t nat -N CNI-HOSTPORT-DNAT
%%[1]vtables-%[1]v -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
%%[1]vtables-%[1]v -t nat -A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
%%[1]vtables-%[1]v -t nat -A CNI-HOSTPORT-DNAT -p udp --dport 51820 -j DNAT --to-destination %%[2]v
`, backend)
}

// stateful is a firewall that lets in what connection tracking knows, and drops what was kept from it.
const stateful = `
nft add table inet stateful
nft add chain inet stateful input { type filter hook input priority 0; }
nft add rule inet stateful input udp dport 51820 ct state untracked drop
`

// TestPrivilegedTranslators: whoever translates WireGuard's port, and whoever came first, the packets of peers arrive
// at the device, and the device's at peers. Connection tracking knows them, for the firewalls that go by it.
func TestPrivilegedTranslators(t *testing.T) {
	meshtest.Privileged(t)
	for name, rules := range translators {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, first %v", name, first), func(t *testing.T) {
				w := newTopology(t)
				if !first {
					w.replace(t, dualFirewall())
				}
				for _, f := range families() {
					word := map[bool]string{true: "ip", false: "ip6"}[f.node.Is4()]
					w.node.run(t, rules, word, f.endpoint("pod:80"), f.node, f.otherNode)
				}
				w.node.run(t, stateful)
				if first {
					w.replace(t, dualFirewall())
				}
				for _, f := range families() {
					w.wantDevice(t, f)
				}
			})
		}
	}
}

// wantDevice exchanges packets between the node's WireGuard port and another node's, and with a peer behind a NAT:
// first packets and answers.
func (w *topology) wantDevice(t *testing.T, f family) {
	t.Helper()
	const port = 51820
	device := w.node.udp(t, f.node, port)
	peer, behind := w.underlay.udp(t, f.otherNode, port), w.underlay.udp(t, f.unlisted, 0)
	write(t, behind, netip.AddrPortFrom(f.node, port))
	if from := receive(t, device); from.Addr() != f.unlisted {
		t.Errorf("%s: the device received from %v", f.name, from)
	} else {
		write(t, device, from)
		receive(t, behind)
	}
	write(t, device, netip.AddrPortFrom(f.otherNode, port))
	if from := receive(t, peer); from != netip.AddrPortFrom(f.node, port) {
		t.Errorf("%s: the peer received from %v", f.name, from)
	}
	write(t, peer, netip.AddrPortFrom(f.node, port))
	receive(t, device)
}

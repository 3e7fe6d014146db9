package e2e

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/traffic"
)

// service is a Service with one endpoint, at the ports of every host.Host: the stand-in for kube-proxy makes of it what
// the real one does in nftables (pkg/proxy/nftables of Kubernetes).
type service struct {
	// number, 1 to 99, is in its ClusterIPs and node ports.
	number   int
	endpoint *host.Host
	// masquerade has the ClusterIP's clients masqueraded unless they are pods: what kube-proxy does when it knows the
	// cluster CIDR. Without it, it leaves them alone.
	masquerade bool
	// local is externalTrafficPolicy: Local, under which node ports masquerade nobody. Ask the endpoint's node only.
	local bool
}

// servicePorts are those that every Service has.
var servicePorts = []uint16{traffic.EchoPort, streamPort, traffic.FlowPort}

// clusterIP is the Service's address in the range cidr.
func (s service) clusterIP(cidr netip.Prefix) netip.Addr {
	b := cidr.Addr().AsSlice()
	binary.BigEndian.PutUint16(b[len(b)-2:], uint16(0x100+s.number))
	addr, _ := netip.AddrFromSlice(b)
	return addr
}

// nodePort is the node port in front of the Service's port, in the range of kube-apiserver's default.
func (s service) nodePort(port uint16) uint16 {
	return uint16(30000+10*s.number) + port - traffic.EchoPort
}

// clusterAddr is where the Service's ClusterIP is, of the family of like.
func (s service) clusterAddr(l *lab.Lab, like netip.Addr) netip.AddrPort {
	return netip.AddrPortFrom(s.clusterIP(sameFamily(l.ServiceCIDRs(), like)), traffic.EchoPort)
}

// nodeAddr is where the Service's node port is on that node.
func (s service) nodeAddr(n *lab.Node, like netip.Addr) netip.AddrPort {
	return netip.AddrPortFrom(n.Addr(like), s.nodePort(traffic.EchoPort))
}

func sameFamily(ranges []netip.Prefix, like netip.Addr) netip.Prefix {
	for _, r := range ranges {
		if r.Addr().Is4() == like.Is4() {
			return r
		}
	}
	return netip.Prefix{}
}

// proxy is the stand-in's table, of which every node has the same. The priorities are kube-proxy's: NAT in the output
// hook at -100, for nft before 1.0.8 does not take the name dstnat there; masquerading at the priority of warren's own.
const proxy = `
table inet kube-stand-in
delete table inet kube-stand-in
table inet kube-stand-in {
	chain services {
%s	}
	chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
	chain nat-output { type nat hook output priority -100; jump services; }
	chain nat-postrouting {
		type nat hook postrouting priority srcnat
		meta mark & 0x4000 == 0 return
		meta mark set meta mark ^ 0x4000
		masquerade fully-random
	}
}
`

// startProxy puts the stand-in for kube-proxy on every node.
func startProxy(t *testing.T, l *lab.Lab, services ...service) {
	t.Helper()
	var rules strings.Builder
	for _, s := range services {
		for _, endpoint := range s.endpoint.Addrs() {
			for _, port := range servicePorts {
				s.rules(&rules, l, netip.AddrPortFrom(endpoint, port))
			}
		}
	}
	for _, n := range l.Nodes() {
		n.MustExec(t, "nft", fmt.Sprintf(proxy, &rules))
	}
}

// rules are those for one port and one family: the marks, then the translation.
func (s service) rules(to *strings.Builder, l *lab.Lab, endpoint netip.AddrPort) {
	ip, nfproto := "ip", "ipv4"
	if endpoint.Addr().Is6() {
		ip, nfproto = "ip6", "ipv6"
	}
	pods := sameFamily(l.ClusterCIDRs(), endpoint.Addr())
	cluster := fmt.Sprintf("%s daddr %v th dport %d", ip, s.clusterIP(sameFamily(l.ServiceCIDRs(), endpoint.Addr())),
		endpoint.Port())
	node := fmt.Sprintf("meta nfproto %s fib daddr type local th dport %d", nfproto, s.nodePort(endpoint.Port()))
	rule := func(parts ...string) {
		fmt.Fprintf(to, "\t\tmeta l4proto { tcp, udp } %s\n", strings.Join(parts, " "))
	}
	const mark = "meta mark set meta mark | 0x4000"
	if s.masquerade {
		rule(cluster, ip, "saddr !=", pods.String(), mark)
	}
	if !s.local {
		rule(node, mark)
	}
	for _, match := range []string{cluster, node} {
		// A pod that is its own endpoint.
		rule(match, ip, "saddr", endpoint.Addr().String(), mark)
		rule(match, "dnat", ip, "to", endpoint.String())
	}
}

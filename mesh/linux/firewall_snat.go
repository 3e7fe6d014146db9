package linux

import (
	"fmt"
	"slices"

	"sigs.k8s.io/knftables"
)

// kubeProxyMasquerade is the mark by which kube-proxy will translate the source itself (its --iptables-masquerade-bit,
// 14 unless changed).
const kubeProxyMasquerade = "0x4000"

// snatOut translates sources towards the outside only, and into the mesh only those that peers would not take from this
// node (AllowedIPs): the host's, where it has more addresses than its Node says. Pods' packets to pods and to nodes that
// come as far as here are on their way into the mesh: guardOut has dropped the others.
//
// A pod that sends from WireGuard's port is given another: with the same one it could take over the connection tracking
// entry of the device, and receive its packets.
func (r ruleset) snatOut() chain {
	return chain{
		name: "snat-out", comment: "pods reach the outside from this node's address",
		typ: knftables.NATType, hook: knftables.PostroutingHook, priority: knftables.SNATPriority,
		rules: slices.Concat(
			[]rule{
				{"meta mark and " + kubeProxyMasquerade + " != 0 return", "kube-proxy masquerades it"},
				{`oifname { "lo", ` + r.bridge + " } return", "to a pod here or to this host: not masqueraded"},
			},
			both("oifname "+r.link+" IP saddr @own# return", "pod or gateway into the mesh: not masqueraded"),
			both("oifname "+r.link+" IP saddr @self# return", "this node's address into the mesh: not masqueraded"),
			[]rule{{"oifname " + r.link + fmt.Sprintf(" counter name %q masquerade", foreign), "another source into the mesh: masquerade"}},
			[]rule{{"ip daddr 224.0.0.0/4 return", "multicast: not masqueraded"}, {"ip6 daddr ff00::/8 return", "multicast: not masqueraded"}},
			both(fmt.Sprintf("IP saddr @own# udp sport %d masquerade to :%s", r.port, otherPorts(r.port)), "pod to the outside, from WireGuard's port: masquerade to another"),
			both("IP saddr @own# masquerade", "pod to the outside: masquerade"),
		),
	}
}

// otherPorts is a range above the NodePorts without the port.
func otherPorts(port uint16) string {
	if port >= 32768 && port <= 49151 {
		return "49152-65535"
	}
	return "32768-49151"
}

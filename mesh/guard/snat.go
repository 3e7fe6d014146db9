package guard

import (
	"fmt"
	"slices"

	"warren.mesh/mesh/nft"
)

// kubeProxyMasquerade is the mark of packets whose source kube-proxy translates itself (its --iptables-masquerade-bit,
// 14 unless changed).
const kubeProxyMasquerade = "0x4000"

// snatOut translates sources towards the outside, and into the mesh only those that peers would not take from this node
// (AllowedIPs): the host's, where it has more addresses than its Node says. Pods' packets to pods and to nodes that get
// this far are on their way into the mesh: guardOut has dropped the others.
//
// Each connection gets a port at random. Of two that are new at the same moment and would keep the same port,
// connection tracking drops one: it chooses ports before it knows both.
//
// A pod that sends from WireGuard's port gets another port: with the same one it could take over the connection
// tracking entry of the device, and receive its packets.
func (r ruleset) snatOut() nft.Chain {
	return nft.Chain{
		Name: "snat-out", Comment: "pods reach the outside from this node's address",
		Type: "nat", Hook: "postrouting", Priority: "srcnat",
		Rules: slices.Concat(
			[]nft.Rule{
				{Text: "meta mark and " + kubeProxyMasquerade + " != 0 return", Reason: "kube-proxy masquerades it"},
				{
					Text:   `oifname { "lo", ` + r.bridge + " } return",
					Reason: "to a pod here or to this host: not masqueraded",
				},
			},
			r.snatMesh(),
			[]nft.Rule{
				{Text: "ip daddr 224.0.0.0/4 return", Reason: "multicast: not masqueraded"},
				{Text: "ip6 daddr ff00::/8 return", Reason: "multicast: not masqueraded"},
			},
			both(fmt.Sprintf("IP saddr @local-pods# udp sport %d masquerade to :%s fully-random", r.port,
				otherPorts(r.port)),
				"pod to the outside, from WireGuard's port: masquerade to another"),
			both("IP saddr @local-pods# masquerade fully-random", "pod to the outside: masquerade"),
		),
	}
}

// snatMesh is the part of snatOut for what goes into the mesh.
func (r ruleset) snatMesh() []nft.Rule {
	into := "oifname " + r.link
	return slices.Concat(
		both(into+" IP saddr @local-pods# return", "pod or gateway into the mesh: not masqueraded"),
		both(into+" IP saddr @local-ips# return", "this node's address into the mesh: not masqueraded"),
		[]nft.Rule{{
			Text:   into + fmt.Sprintf(" counter name %q masquerade fully-random", masqueradedIntoMesh),
			Reason: "another source into the mesh: masquerade",
		}},
	)
}

// otherPorts is a range above the NodePorts without the port.
func otherPorts(port uint16) string {
	if port >= 32768 && port <= 49151 {
		return "49152-65535"
	}
	return "32768-49151"
}

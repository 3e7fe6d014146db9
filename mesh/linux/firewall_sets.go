package linux

import (
	"net/netip"
	"slices"

	"sigs.k8s.io/knftables"

	"warren.mesh/mesh"
)

// The sets, each one for IPv4 and one for IPv6: familySets adds a 4 and a 6.
const (
	clusterSet   = "cluster"
	ownSet       = "own"
	selfSet      = "self"
	nodesSet     = "nodes"
	nodeCIDRsSet = "node-cidrs"
)

// The counters, in packets.
const (
	leakPod    = "leak-pod"
	leakNode   = "leak-node"
	leakSource = "leak-source"
	loop       = "loop"
	foreign    = "foreign"
	spoof      = "spoof"
	forged     = "forged"
)

func counters() []counter {
	return []counter{
		{leakPod, "dropped: to a pod, not via the mesh"},
		{leakNode, "dropped: from a pod or the mesh to a mesh node, not via the mesh"},
		{leakSource, "dropped: to the outside with a pod's address as source"},
		{loop, "dropped: WireGuard inside WireGuard"},
		{spoof, "dropped: from a pod, with a source that is no pod's of this node"},
		{forged, "dropped: from the underlay, with a pod's address as source"},
		{foreign, "masqueraded into the mesh: from an address that peers do not allow this node"},
	}
}

// setsOf are the sets of the table. Node addresses are in a plain set: they come and go one by one, which in an interval
// set of nft 1.0.6 costs a listing of the whole.
func setsOf(fw mesh.Firewall) []set {
	sets := slices.Concat(
		familySets(clusterSet, "the cluster's pod CIDRs", true),
		familySets(ownSet, "this node's pod CIDRs", true),
		familySets(selfSet, "this node's addresses", false),
		familySets(nodesSet, "addresses of all mesh nodes", false),
	)
	if len(fw.NodeCIDRs) > 0 {
		sets = append(sets, familySets(nodeCIDRsSet, "node address ranges from the configuration", true)...)
	}
	return sets
}

func familySets(name, comment string, interval bool) []set {
	return []set{
		{name: name + "4", typ: "ipv4_addr", comment: comment, interval: interval},
		{name: name + "6", typ: "ipv6_addr", comment: comment, interval: interval},
	}
}

// writeElements adds what is in the sets to a transaction that makes the sets.
func writeElements(tx *knftables.Transaction, fw mesh.Firewall) {
	addPrefixes(tx, clusterSet, fw.ClusterCIDRs)
	addPrefixes(tx, ownSet, fw.OwnCIDRs)
	addPrefixes(tx, nodeCIDRsSet, fw.NodeCIDRs)
	for _, ip := range fw.OwnIPs {
		tx.Add(element(selfSet, ip, ip.String()))
	}
	for _, ip := range fw.NodeIPs {
		tx.Add(nodeElement(ip))
	}
}

func addPrefixes(tx *knftables.Transaction, set string, prefixes []netip.Prefix) {
	for _, p := range prefixes {
		tx.Add(element(set, p.Addr(), p.String()))
	}
}

func nodeElement(ip netip.Addr) *knftables.Element { return element(nodesSet, ip, ip.String()) }

// element is of the set for ip's address family.
func element(set string, ip netip.Addr, key string) *knftables.Element {
	if ip.Is4() {
		set += "4"
	} else {
		set += "6"
	}
	return &knftables.Element{Set: set, Key: []string{key}}
}

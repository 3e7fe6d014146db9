package guard

import (
	"net/netip"
	"slices"

	"warren.mesh/mesh"
	"warren.mesh/mesh/nft"
)

// The sets, each one for IPv4 and one for IPv6: familySets adds a 4 and a 6.
const (
	clusterSet   = "cluster"
	localPodsSet = "local-pods"
	localIPsSet  = "local-ips"
	nodeIPsSet   = "node-ips"
	nodeCIDRsSet = "node-cidrs"
	plainFromSet = "plain-from"
)

// setsOf returns the sets of the table. Node addresses are in a plain set: they come and go one by one, which in an
// interval set of nft 1.0.6 costs a listing of the whole.
func setsOf(fw mesh.Firewall) []nft.Set {
	sets := slices.Concat(
		familySets(clusterSet, "the cluster's pod CIDRs", true),
		familySets(localPodsSet, "this node's pod CIDRs", true),
		familySets(localIPsSet, "this node's addresses", false),
		familySets(nodeIPsSet, "addresses of all mesh nodes", false),
	)
	if len(fw.NodeCIDRs) > 0 {
		sets = append(sets, familySets(nodeCIDRsSet, "node address ranges from the configuration", true)...)
	}
	if len(fw.PlainFrom) > 0 {
		sets = append(sets, familySets(plainFromSet, "may send to pods in plain text: from the configuration", true)...)
	}
	return sets
}

func familySets(name, comment string, interval bool) []nft.Set {
	return []nft.Set{
		{Name: name + "4", Type: "ipv4_addr", Comment: comment, Interval: interval},
		{Name: name + "6", Type: "ipv6_addr", Comment: comment, Interval: interval},
	}
}

// elementsOf returns what is in the sets.
func elementsOf(fw mesh.Firewall) []nft.Element {
	return slices.Concat(
		ofPrefixes(clusterSet, fw.ClusterCIDRs),
		ofPrefixes(localPodsSet, fw.OwnCIDRs),
		ofPrefixes(nodeCIDRsSet, fw.NodeCIDRs),
		ofPrefixes(plainFromSet, fw.PlainFrom),
		ofAddrs(localIPsSet, fw.OwnIPs),
		NodeIPs(fw.NodeIPs),
	)
}

// NodeIPs returns the elements for addresses of mesh nodes, which alone change with every node that comes and goes.
func NodeIPs(ips []netip.Addr) []nft.Element { return ofAddrs(nodeIPsSet, ips) }

func ofAddrs(set string, ips []netip.Addr) (elements []nft.Element) {
	for _, ip := range ips {
		elements = append(elements, element(set, ip, ip.String()))
	}
	return elements
}

func ofPrefixes(set string, prefixes []netip.Prefix) (elements []nft.Element) {
	for _, p := range prefixes {
		elements = append(elements, element(set, p.Addr(), p.String()))
	}
	return elements
}

// element is an element of the set for ip's address family.
func element(set string, ip netip.Addr, key string) nft.Element {
	if ip.Is4() {
		set += "4"
	} else {
		set += "6"
	}
	return nft.Element{Set: set, Key: []string{key}}
}

package policy

import (
	"net/netip"

	"warren.mesh/mesh/nft"
)

// standing is what the table has of an address of this node's bridge.
type standing struct {
	// known says that one pod has the address, of which the labels are known.
	known bool
	// egress and ingress are nil where nothing isolates the pod.
	egress, ingress *profile
}

// elements returns those of the fixed sets and maps.
func (s standing) elements(ip netip.Addr) (all []nft.Element) {
	if !s.known {
		return nil
	}
	f, key := families[familyOf(ip)].suffix, ip.String()
	all = append(
		all,
		nft.Element{Set: "pods" + f, Key: []string{key}},
		nft.Element{Set: "self" + f, Key: []string{key, key}},
	)
	if s.egress != nil {
		all = append(all, nft.Element{Set: "clients" + f, Key: []string{key}},
			nft.Element{Map: "from" + f, Key: []string{key}, Value: []string{"jump " + s.egress.chain.Name}})
	}
	if s.ingress != nil {
		all = append(all, nft.Element{Set: "servers" + f, Key: []string{key}},
			nft.Element{Map: "to" + f, Key: []string{key}, Value: []string{"jump " + s.ingress.chain.Name}})
	}
	return all
}

// includes reports whether a connection that was let through under the other standing still is. An isolated pod that is
// gone leaves connections in the cache, and its address to another pod.
func (s standing) includes(other standing) bool {
	if !s.known {
		return other.egress == nil && other.ingress == nil
	}
	return s.egress.includes(other.egress) && s.ingress.includes(other.ingress)
}

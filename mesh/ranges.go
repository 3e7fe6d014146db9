package mesh

import (
	"net/netip"
	"slices"
)

// ranges are disjoint prefixes, by address family, each with the name of its node. They are sorted slices and not a
// trie: nodes come in the order of their creation, which is nearly the order of their addresses, so adding is mostly
// appending.
type ranges [2][]claim

// claim is a prefix that belongs to a node.
type claim struct {
	prefix netip.Prefix
	node   string
}

// find returns the first claim that overlaps with p.
func (r *ranges) find(p netip.Prefix) (claim, bool) {
	claims := r[familyOf(p.Addr())]
	i := after(claims, p)
	for _, c := range claims[max(i-1, 0):min(i+1, len(claims))] {
		if c.prefix.Overlaps(p) {
			return c, true
		}
	}
	return claim{}, false
}

// holds returns the claim that contains ip.
func (r *ranges) holds(ip netip.Addr) (claim, bool) { return r.find(host(ip)) }

// add claims p for node, unless p overlaps with an earlier claim.
func (r *ranges) add(p netip.Prefix, node string) (added bool) {
	if _, taken := r.find(p); taken {
		return false
	}
	claims := &r[familyOf(p.Addr())]
	*claims = slices.Insert(*claims, after(*claims, p), claim{p, node})
	return true
}

// after returns the index of the first claim that starts behind the start of p. Only that claim and the one before it
// can overlap with p.
func after(claims []claim, p netip.Prefix) int {
	i, _ := slices.BinarySearchFunc(claims, p.Addr(), func(c claim, start netip.Addr) int {
		if c.prefix.Addr().Compare(start) <= 0 {
			return -1
		}
		return 1
	})
	return i
}

// prefixes returns all claimed prefixes, sorted.
func (r *ranges) prefixes() []netip.Prefix {
	var all []netip.Prefix
	for _, claims := range r {
		for _, c := range claims {
			all = append(all, c.prefix)
		}
	}
	return all
}

// host returns the /32 or /128 of ip.
func host(ip netip.Addr) netip.Prefix { return netip.PrefixFrom(ip, ip.BitLen()) }

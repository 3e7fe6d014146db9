package mesh

import (
	"net/netip"
	"slices"
)

// ranges are disjoint prefixes, each with the name of its node. A sorted slice and not a trie: nodes come in the order
// of their creation, which is nearly that of their pod CIDRs, so that adding is mostly appending.
type ranges []claim

type claim struct {
	prefix netip.Prefix
	node   string
}

// find returns the first claim that overlaps with p.
func (r ranges) find(p netip.Prefix) (claim, bool) {
	i := r.after(p)
	for _, c := range r[max(i-1, 0):min(i+1, len(r))] {
		if c.prefix.Overlaps(p) {
			return c, true
		}
	}
	return claim{}, false
}

// holds is find for one address.
func (r ranges) holds(ip netip.Addr) (claim, bool) { return r.find(host(ip)) }

// add claims p for node, unless it overlaps with what is claimed already.
func (r *ranges) add(p netip.Prefix, node string) (added bool) {
	if _, taken := r.find(p); taken {
		return false
	}
	*r = slices.Insert(*r, r.after(p), claim{p, node})
	return true
}

// after is the index of the first claim that starts behind the start of p. Only its neighbours can overlap with p.
func (r ranges) after(p netip.Prefix) int {
	i, _ := slices.BinarySearchFunc(r, p.Addr(), func(c claim, start netip.Addr) int {
		if c.prefix.Addr().Compare(start) <= 0 {
			return -1
		}
		return 1
	})
	return i
}

func (r ranges) prefixes() []netip.Prefix {
	var all []netip.Prefix
	for _, c := range r {
		all = append(all, c.prefix)
	}
	return all
}

// host is the /32 or /128 of ip.
func host(ip netip.Addr) netip.Prefix { return netip.PrefixFrom(ip, ip.BitLen()) }

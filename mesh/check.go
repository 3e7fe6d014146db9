package mesh

import (
	"fmt"
	"net/netip"
	"slices"
)

// family is an index: IPv4 or IPv6.
type family int

const (
	ipv4 family = iota
	ipv6
)

func familyOf(ip netip.Addr) family {
	if ip.Is4() {
		return ipv4
	}
	return ipv6
}

// broadcast is the one address of the reserved 240.0.0.0/4 (RFC 1112, section 4) that Linux does not route.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// checkUnicast returns an error if ip cannot be the address of one node on an underlay. A link-local address means
// another host on every link; IPv4 written as IPv6 would give one address two names.
func checkUnicast(ip netip.Addr) error {
	var kind string
	switch {
	case ip.Zone() != "":
		kind = "an address with a zone"
	case ip.Is4In6():
		kind = "IPv4 written as IPv6"
	case ip.IsUnspecified():
		kind = "the unspecified address"
	case ip.IsLoopback():
		kind = "a loopback address"
	case ip.IsMulticast():
		kind = "a multicast address"
	case ip.IsLinkLocalUnicast():
		kind = "a link-local address"
	case ip == broadcast:
		kind = "the broadcast address"
	case ip.Is4() && ip.As4()[0] == 0:
		kind = "an address of \"this network\""
	default:
		return nil
	}
	return fmt.Errorf("%s is %s, not one of a node", quote(ip.String()), kind)
}

// checkEndpoint returns an error if no node can listen there.
func checkEndpoint(e netip.AddrPort) error {
	if e.Port() == 0 {
		return fmt.Errorf("%s has no port", quote(e.String()))
	}
	return checkUnicast(e.Addr())
}

// Prefix lengths of pod CIDRs. The longest is host-local's limit ("too small to allocate from"): the gateway and one
// pod. The shortest keeps one node from taking the whole Internet if no cluster CIDRs are configured.
var shortest, longest = [...]int{ipv4: 8, ipv6: 16}, [...]int{ipv4: 30, ipv6: 126}

// checkPodCIDR returns an error if p cannot be the pods' range of one node.
func checkPodCIDR(p netip.Prefix) error {
	if err := checkUnicast(p.Addr()); err != nil {
		return err
	}
	f := familyOf(p.Addr())
	switch {
	case p.Contains(broadcast):
		return fmt.Errorf("%v contains the broadcast address", p)
	case p != p.Masked():
		return fmt.Errorf("%v has host bits set: the range is %v", p, p.Masked())
	case p.Bits() < shortest[f] || p.Bits() > longest[f]:
		return fmt.Errorf("%v is not /%d to /%d long", p, shortest[f], longest[f])
	}
	return nil
}

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

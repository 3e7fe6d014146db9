package mesh

import (
	"fmt"
	"net/netip"
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
	case ip.Is4() && ip.As4()[0] >= 240:
		kind = "a reserved address"
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
	case p != p.Masked():
		return fmt.Errorf("%v has host bits set: the range is %v", p, p.Masked())
	case p.Bits() < shortest[f] || p.Bits() > longest[f]:
		return fmt.Errorf("%v is not /%d to /%d long", p, shortest[f], longest[f])
	}
	return nil
}

package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The address plan is the same in every lab: labs share no network. Each array holds IPv4 and IPv6.
var (
	clusterCIDRs = [2]netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:10:244::/48")}
	serviceCIDRs = [2]netip.Prefix{netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("fd00:10:96::/112")}
	// podMaskSizes are the lengths of the pod CIDRs that the controller manager hands out.
	podMaskSizes = [2]int{24, 64}

	underlayCIDRs = [2]netip.Prefix{netip.MustParsePrefix("172.31.9.0/24"), netip.MustParsePrefix("fd00:9::/64")}
	// controlIPs are the API server's and the router's.
	controlIPs = [2]netip.Addr{netip.MustParseAddr("172.31.9.254"), netip.MustParseAddr("fd00:9::fe")}

	// homeCIDRs are behind the masquerading router, homeRouterIPs its own there (RFC 5737, RFC 3849).
	homeCIDRs     = [2]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:2::/64")}
	homeRouterIPs = [2]netip.Addr{netip.MustParseAddr("192.0.2.254"), netip.MustParseAddr("2001:db8:2::fe")}

	// beyondCIDRs are between router and outside, of the ranges for documentation (RFC 5737, RFC 3849).
	beyondCIDRs = [2]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:51::/64")}
	routerIPs   = [2]netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:51::1")}
	outsideIPs  = [2]netip.Addr{netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("2001:db8:51::2")}
)

// pick takes the family's part of a pair.
func pick[T any](f Family, pair [2]T) []T {
	switch f {
	case IPv4:
		return pair[:1:1]
	case IPv6:
		return pair[1:]
	default:
		return slices.Clone(pair[:])
	}
}

// nodeIPs are the InternalIPs, on this network, of the node with this number (1 to 253).
func (f Family) nodeIPs(network [2]netip.Prefix, number int) []netip.Addr {
	v4 := network[0].Addr().As4()
	v6 := network[1].Addr().As16()
	v4[3], v6[15] = byte(number), byte(number)
	return pick(f, [2]netip.Addr{netip.AddrFrom4(v4), netip.AddrFrom16(v6)})
}

// String is ipv4, ipv6 or dual.
func (f Family) String() string { return [...]string{"ipv4", "ipv6", "dual"}[f] }

// String is the value of the sysctl.
func (r RPFilter) String() string { return map[RPFilter]string{Off: "0", Strict: "1", Loose: "2"}[r] }

// within gives an address of one of the lab's networks that network's length.
func within(addr netip.Addr) (netip.Prefix, error) {
	for _, cidr := range slices.Concat(underlayCIDRs[:], homeCIDRs[:], beyondCIDRs[:]) {
		if cidr.Contains(addr) {
			return netip.PrefixFrom(addr, cidr.Bits()), nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("%v is in none of the lab's networks", addr)
}

// commas joins the texts of values as flags and annotations have them.
func commas[T fmt.Stringer](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.String()
	}
	return strings.Join(texts, ",")
}

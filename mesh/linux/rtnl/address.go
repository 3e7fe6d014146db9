package rtnl

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The netlink and WireGuard libraries use net.IP; nothing else in warren does.

// ToPrefix converts without masking. It returns the zero value for nil and for what is no prefix.
func ToPrefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	a, ok := netip.AddrFromSlice(n.IP)
	ones, bits := n.Mask.Size()
	if !ok || bits == 0 {
		return netip.Prefix{}
	}
	// A 16-byte IPv4 address comes with a 4-byte mask or with one of 96 bits more.
	if a = a.Unmap(); bits > a.BitLen() {
		ones -= bits - a.BitLen()
	}
	return netip.PrefixFrom(a, ones)
}

// ToIPNet converts the other way. It returns nil for the zero value.
func ToIPNet(p netip.Prefix) *net.IPNet {
	if !p.IsValid() {
		return nil
	}
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// ToAddr converts an address, an IPv4 one in 16 bytes included. It returns the zero value for nil.
func ToAddr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// Default returns the destination of a default route, which the kernel leaves out of its messages. family is
// unix.AF_INET or unix.AF_INET6.
func Default(family int) netip.Prefix {
	if family == unix.AF_INET6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

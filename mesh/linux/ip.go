package linux

import (
	"net"
	"net/netip"
)

// The libraries speak net.IP; nothing else in warren does.

// toPrefix converts without masking; the zero value stands for nil and for what is no prefix.
func toPrefix(n *net.IPNet) netip.Prefix {
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

// toIPNet is nil for the zero value.
func toIPNet(p netip.Prefix) *net.IPNet {
	if !p.IsValid() {
		return nil
	}
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// toAddr is the zero value for nil.
func toAddr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

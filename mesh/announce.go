package mesh

import (
	"net/netip"
	"slices"
	"strings"
)

// Gateway returns the first host address of a pod CIDR: the pods' default gateway. The bridge and the WireGuard
// interface hold it, so IPAM never hands it out.
//
// It is not the network address, which in IPv6 is the subnet-router anycast address of the bridge (RFC 4291, section
// 2.6.1).
func Gateway(podCIDR netip.Prefix) netip.Addr { return podCIDR.Masked().Addr().Next() }

// Gateway returns the gateway address of the peer's first pod CIDR, which its node holds; the zero value if the peer
// has no pod CIDR. One packet to it begins a handshake, whatever its address family.
func (p Peer) Gateway() netip.Addr {
	for _, allowed := range p.AllowedIPs {
		if !allowed.IsSingleIP() {
			return Gateway(allowed)
		}
	}
	return netip.Addr{}
}

// Announce returns the text of what self publishes: an endpoint for each address family, and the rest as the Node has
// it. It returns the zero value while Desired returns ErrWaiting.
//
// The node IPs are also those that readers leave out, because they are another node's or do not fit the configuration:
// a reader that does not know of an address cannot guard it, and when the other node goes, nothing need be written.
func Announce(cfg Config, self Self) Announcement {
	own, _ := self.parse()
	if own.waiting() != nil || self.Proof.IsZero() {
		return Announcement{}
	}
	return Announcement{
		PublicKey: own.PublicKey.String(),
		Proof:     self.Proof.String(),
		Endpoint:  join(own.endpoints(cfg), netip.AddrPort.String),
		PodCIDRs:  join(own.PodCIDRs, netip.Prefix.String),
		NodeIPs:   join(own.NodeIPs, netip.Addr.String),
	}
}

// endpoints returns, with port, the first node IP of each address family: of those inside the node CIDRs or, if there
// are none, of those outside the cluster CIDRs or, if there are none either, of all. The node CIDRs do not bind
// endpoints, because nothing but WireGuard's packets goes there.
func (n Node) endpoints(cfg Config) []netip.AddrPort {
	m := newMembers(cfg)
	inside, _ := split(n.NodeIPs, func(ip netip.Addr) string { return m.nodeIPConflict(ip, n) })
	outside, _ := split(n.NodeIPs, func(ip netip.Addr) string { return m.addressConflict(ip, n) })
	var all []netip.AddrPort
	var seen [2]bool
	for _, ip := range slices.Concat(inside, outside, n.NodeIPs) {
		if f := familyOf(ip); !seen[f] {
			seen[f] = true
			all = append(all, netip.AddrPortFrom(ip, cfg.Port))
		}
	}
	return all
}

// join returns the texts of the values, comma-separated.
func join[T any](list []T, text func(T) string) string {
	var b strings.Builder
	for i, value := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(text(value))
	}
	return b.String()
}

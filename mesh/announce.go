package mesh

import (
	"net/netip"
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

// Announce returns the text of what self publishes: the first node IP of each address family as endpoint, and the rest
// as the Node has it. It returns the zero value while Desired returns ErrWaiting.
func Announce(cfg Config, self Self) Announcement {
	own, _ := self.parse()
	if own.waiting() != nil || self.Proof.IsZero() {
		return Announcement{}
	}
	return Announcement{
		PublicKey: own.PublicKey.String(),
		Proof:     self.Proof.String(),
		Endpoint:  join(endpoints(own.NodeIPs, cfg.Port), netip.AddrPort.String),
		PodCIDRs:  join(own.PodCIDRs, netip.Prefix.String),
		NodeIPs:   join(own.NodeIPs, netip.Addr.String),
	}
}

// endpoints returns the first node IP of each address family, with port.
func endpoints(nodeIPs []netip.Addr, port uint16) []netip.AddrPort {
	var all []netip.AddrPort
	for _, ip := range nodeIPs {
		all = append(all, netip.AddrPortFrom(ip, port))
	}
	all, _ = onePerFamily(all, nil, netip.AddrPort.Addr)
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

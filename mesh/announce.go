package mesh

import (
	"net/netip"
	"strings"
)

// Gateway is the first host address of a pod CIDR: the pods' default gateway, held by the bridge and by the WireGuard
// interface, so that IPAM never hands it out.
//
// Not the network address: in IPv6 that is the subnet-router anycast address of the bridge (RFC 4291, section 2.6.1).
func Gateway(podCIDR netip.Prefix) netip.Addr { return podCIDR.Masked().Addr().Next() }

// Announce is the text of what self publishes: the first node IP of each family as endpoint, and the rest as the Node
// has it. It announces nothing while Desired would be waiting.
func Announce(cfg Config, self Self) Announcement {
	if self.waiting() != nil {
		return Announcement{}
	}
	ips := unique(append([]netip.Addr(nil), self.NodeIPs...))
	first, _ := onePerFamily(append([]netip.Addr(nil), ips...), nil, func(ip netip.Addr) netip.Addr { return ip })
	return Announcement{
		PublicKey: self.PublicKey.String(),
		Endpoint:  join(first, func(ip netip.Addr) string { return netip.AddrPortFrom(ip, cfg.Port).String() }),
		PodCIDRs:  join(self.PodCIDRs, netip.Prefix.String),
		NodeIPs:   join(ips[:min(len(ips), MaxNodeIPs)], netip.Addr.String),
	}
}

func join[T any](list []T, text func(T) string) string {
	var all []string
	for _, value := range list {
		all = append(all, text(value))
	}
	return strings.Join(all, ",")
}

package linux

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"warren.mesh/mesh/linux/rtnl"
)

// fullMTU is the least MTU of an underlay, in bytes, whose mesh carries IPv6: 1280 (RFC 8200, section 5) and what
// WireGuard adds. A way with less counts only if there is no other: else the announced endpoint of a single node could
// stop all others.
const fullMTU = 1280 + 80

// UnderlayMTU returns the MTU in bytes of the way out to other nodes: the least of the interfaces that lead to the
// addresses of peers. If none does, as on the first node of a mesh, it takes those that hold any of the own addresses,
// and then those of the default routes. Neither lo, which holds the node's address where the host speaks BGP, nor the
// interfaces of the mesh are a way out. Watch pokes when that interface's MTU changes.
func (h *Host) UnderlayMTU(own, peers []netip.Addr) (int, error) {
	index, mtu, err := h.wayOut(own, peers)
	if err != nil {
		return 0, fmt.Errorf("find the underlay's MTU: %w", err)
	}
	h.expected.SetUnderlay(index, mtu)
	return mtu, nil
}

// anywhere are addresses to which only default routes lead: they are reserved for documentation (RFC 5737, RFC 3849).
var anywhere = []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:ffff::1")}

// wayOut returns the interface of the underlay and its MTU in bytes.
func (h *Host) wayOut(own, peers []netip.Addr) (index, mtu int, err error) {
	for _, find := range []func() ([]int, error){
		func() ([]int, error) { return h.routesTo(peers), nil },
		func() ([]int, error) { return h.holders(own) },
		func() ([]int, error) { return h.routesTo(anywhere), nil },
	} {
		indices, err := find()
		if err != nil {
			return 0, 0, err
		}
		if index, mtu, err = h.leastMTU(indices); index != 0 || err != nil {
			return index, mtu, err
		}
	}
	return 0, 0, fmt.Errorf("no interface has any of the addresses %s, and there is no default route", own)
}

// routesTo returns the indices of the interfaces by which this host sends to the addresses.
func (h *Host) routesTo(addrs []netip.Addr) (indices []int) {
	for _, addr := range addrs {
		routes, err := h.conn.Handle.RouteGet(addr.AsSlice())
		if err != nil {
			continue // The kernel's answer if there is no route, of several: ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL.
		}
		for _, r := range routes {
			indices = append(indices, r.LinkIndex)
		}
	}
	return indices
}

// holders returns the indices of the interfaces that hold any of the addresses.
func (h *Host) holders(addrs []netip.Addr) (indices []int, err error) {
	all, err := h.conn.Addresses(nil)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if slices.Contains(addrs, rtnl.ToAddr(a.IP)) {
			indices = append(indices, a.LinkIndex)
		}
	}
	return indices, nil
}

// leastMTU returns the way out with the least MTU in bytes, of those with fullMTU or else of all; index zero if none of
// the interfaces is a way out.
func (h *Host) leastMTU(indices []int) (index, mtu int, err error) {
	var ways []*netlink.LinkAttrs
	slices.Sort(indices)
	for _, i := range slices.Compact(indices) {
		link, err := h.conn.FindIndex(i)
		if err != nil {
			return 0, 0, err
		}
		if link != nil && h.leadsOut(link.Attrs()) {
			ways = append(ways, link.Attrs())
		}
	}
	if len(ways) == 0 {
		return 0, 0, nil
	}
	full := slices.DeleteFunc(slices.Clone(ways), func(way *netlink.LinkAttrs) bool { return way.MTU < fullMTU })
	if len(full) > 0 {
		ways = full
	}
	least := slices.MinFunc(ways, func(a, b *netlink.LinkAttrs) int { return a.MTU - b.MTU })
	return least.Index, least.MTU, nil
}

// leadsOut reports whether packets to other nodes can leave by an interface.
func (h *Host) leadsOut(link *netlink.LinkAttrs) bool {
	return link.Flags&net.FlagLoopback == 0 && link.Name != h.cfg.Link && link.Name != h.cfg.Bridge
}

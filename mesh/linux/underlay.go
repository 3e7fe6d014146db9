package linux

import (
	"fmt"
	"maps"
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
// interfaces of the mesh are a way out. Watch pokes when the MTU of any of these interfaces changes.
func (h *Host) UnderlayMTU(own, peers []netip.Addr) (int, error) {
	ways, err := h.waysOut(own, peers)
	if err != nil {
		return 0, fmt.Errorf("find the underlay's MTU: %w", err)
	}
	h.expected.SetUnderlay(ways)
	return leastMTU(ways), nil
}

// anywhere are addresses to which only default routes lead: they are reserved for documentation (RFC 5737, RFC 3849).
var anywhere = []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:ffff::1")}

// waysOut returns the interfaces of the underlay, one or more: their MTUs in bytes by their indices.
func (h *Host) waysOut(own, peers []netip.Addr) (map[int]int, error) {
	for _, find := range []func() ([]int, error){
		func() ([]int, error) { return h.routesTo(peers), nil },
		func() ([]int, error) { return h.holders(own) },
		func() ([]int, error) { return h.routesTo(anywhere), nil },
	} {
		indices, err := find()
		if err != nil {
			return nil, err
		}
		if ways, err := h.waysAmong(indices); len(ways) > 0 || err != nil {
			return ways, err
		}
	}
	return nil, fmt.Errorf("no interface has any of the addresses %s, and there is no default route", own)
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

// waysAmong returns the MTUs in bytes, by their indices, of those of the interfaces that are ways out.
func (h *Host) waysAmong(indices []int) (map[int]int, error) {
	ways := map[int]int{}
	slices.Sort(indices)
	for _, i := range slices.Compact(indices) {
		link, err := h.conn.FindIndex(i)
		if err != nil {
			return nil, err
		}
		if link != nil && h.leadsOut(link.Attrs()) {
			ways[i] = link.Attrs().MTU
		}
	}
	return ways, nil
}

// leastMTU returns the least MTU in bytes of the ways out, one or more: of those with fullMTU or else of all.
func leastMTU(ways map[int]int) int {
	mtus := slices.Sorted(maps.Values(ways))
	for _, mtu := range mtus {
		if mtu >= fullMTU {
			return mtu
		}
	}
	return mtus[0]
}

// leadsOut reports whether packets to other nodes can leave by an interface.
func (h *Host) leadsOut(link *netlink.LinkAttrs) bool {
	return link.Flags&net.FlagLoopback == 0 && link.Name != h.cfg.Link && link.Name != h.cfg.Bridge
}

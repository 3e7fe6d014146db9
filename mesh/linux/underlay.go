package linux

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"

	"warren.mesh/mesh/linux/rtnl"
)

// UnderlayMTU returns the MTU in bytes of the interface that holds the first of these addresses it finds. Watch pokes
// when it changes.
func (h *Host) UnderlayMTU(addrs []netip.Addr) (int, error) {
	all, err := h.conn.Addresses(nil)
	if err != nil {
		return 0, err
	}
	index, ok := holder(all, addrs)
	if !ok {
		return 0, fmt.Errorf("find the underlay's MTU: no interface has any of the addresses %s", addrs)
	}
	mtu, err := h.links.mtu(index)
	if err == nil && mtu == 0 {
		err = fmt.Errorf("interface %d: %w", index, rtnl.ErrNoLink)
	}
	if err != nil {
		return 0, fmt.Errorf("find the underlay's MTU: %w", err)
	}
	h.expected.SetUnderlay(index, mtu)
	return mtu, nil
}

// holder returns the index of the interface that has the first of addrs which any has.
func holder(all []netlink.Addr, addrs []netip.Addr) (index int, ok bool) {
	holders := make(map[netip.Addr]int, len(all))
	for _, a := range all {
		holders[rtnl.ToAddr(a.IP)] = a.LinkIndex
	}
	for _, a := range addrs {
		if index, ok := holders[a]; ok {
			return index, true
		}
	}
	return 0, false
}

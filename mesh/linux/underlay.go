package linux

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"

	"warren.mesh/mesh/linux/rtnl"
)

// UnderlayMTU is the MTU in bytes of the interface that holds the first of these addresses it finds. Watch pokes when it
// changes.
func (h *Host) UnderlayMTU(addrs []netip.Addr) (int, error) {
	all, err := h.conn.Addresses(nil)
	if err != nil {
		return 0, err
	}
	index, ok := holder(all, addrs)
	if !ok {
		return 0, fmt.Errorf("find the underlay's MTU: no interface has any of the addresses %s", addrs)
	}
	link, err := h.conn.Handle.LinkByIndex(index)
	if err != nil {
		return 0, fmt.Errorf("find the underlay's MTU: look up interface %d: %w", index, err)
	}
	h.shadow.mu.Lock()
	defer h.shadow.mu.Unlock()
	h.shadow.underlay = underlay{index: index, mtu: link.Attrs().MTU}
	return link.Attrs().MTU, nil
}

// holder is the index of the interface that has the first of addrs which any has.
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

// readUnderlay is the underlay's MTU now; zero where it was never asked for or is gone.
func (h *Host) readUnderlay() (mtu int, err error) {
	h.shadow.mu.Lock()
	index := h.shadow.underlay.index
	h.shadow.mu.Unlock()
	if index == 0 {
		return 0, nil
	}
	link, err := h.conn.Handle.LinkByIndex(index)
	if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up interface %d: %w", index, err)
	}
	return link.Attrs().MTU, nil
}

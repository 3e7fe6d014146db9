package linux

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// observeAddresses are the interface's addresses. Link-local ones are left out: the kernel gives every interface
// one, a TUN included, and nobody asked for it.
func (h *Host) observeAddresses(link netlink.Link) ([]netip.Prefix, error) {
	all, err := h.dumps.addresses(link)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", link.Attrs().Name, err)
	}
	var prefixes []netip.Prefix
	for _, a := range all {
		if p := toPrefix(a.IPNet); p.IsValid() && !p.Addr().IsLinkLocalUnicast() {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes, nil
}

// addAddresses gives the interface addresses. IPv6 ones are not checked for duplicates (nodad): a tentative address
// cannot be a route's source, the check would never end on an interface without carrier, and the address is the same on
// bridge and device on purpose. An interface that is gone is no failure: there is nothing to mend until it is back, which
// Watch reports.
func (h *Host) addAddresses(name string, prefixes []netip.Prefix) error {
	if len(prefixes) == 0 {
		return nil
	}
	link, err := h.find(name)
	if err != nil || link == nil {
		return err
	}
	var failed failures
	for _, p := range prefixes {
		failed.add(h.addAddress(link, p))
	}
	return failed.err()
}

func (h *Host) addAddress(link netlink.Link, p netip.Prefix) error {
	address := &netlink.Addr{IPNet: toIPNet(p)}
	if p.Addr().Is6() {
		address.Flags = unix.IFA_F_NODAD
	}
	name := link.Attrs().Name
	h.counts.add(opAddressAdd)
	if err := h.netlink.AddrAdd(link, address); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add address %s to interface %s: %w", p, name, err)
	}
	return nil
}

// delAddresses takes addresses from the interface; with an interface that is gone they are gone.
func (h *Host) delAddresses(name string, prefixes []netip.Prefix) error {
	if len(prefixes) == 0 {
		return nil
	}
	link, err := h.find(name)
	if err != nil || link == nil {
		return err
	}
	var failed failures
	for _, p := range prefixes {
		failed.add(h.delAddress(link, p))
	}
	return failed.err()
}

func (h *Host) delAddress(link netlink.Link, p netip.Prefix) error {
	name := link.Attrs().Name
	h.counts.add(opAddressDel)
	err := h.netlink.AddrDel(link, &netlink.Addr{IPNet: toIPNet(p)})
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("remove address %s from interface %s: %w", p, name, err)
	}
	return nil
}

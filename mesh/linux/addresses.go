package linux

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh/linux/rtnl"
)

// addresses returns the interface's addresses, without link-local ones: the kernel gives every interface one, a TUN
// included, and nobody asked for it.
func (l links) addresses(link netlink.Link) ([]netip.Prefix, error) {
	all, err := l.conn.Addresses(link)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", link.Attrs().Name, err)
	}
	var prefixes []netip.Prefix
	for _, a := range all {
		if p := rtnl.ToPrefix(a.IPNet); p.IsValid() && !p.Addr().IsLinkLocalUnicast() {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes, nil
}

// addAddresses gives the interface addresses. One that it has already is no failure.
func (l links) addAddresses(name string, prefixes []netip.Prefix) error {
	return l.editAddresses(name, prefixes, addressEdit{
		op: opAddressAdd, text: "add address %s to interface %s: %w", write: l.conn.Handle.AddrAdd, done: unix.EEXIST,
	})
}

// removeAddresses takes addresses from the interface. One that it does not have is no failure.
func (l links) removeAddresses(name string, prefixes []netip.Prefix) error {
	return l.editAddresses(name, prefixes, addressEdit{
		op: opAddressDel, text: "remove address %s from interface %s: %w", write: l.conn.Handle.AddrDel,
		done: unix.EADDRNOTAVAIL,
	})
}

// addressEdit is how to add or to remove one address.
type addressEdit struct {
	// op is the kind of write, text the format of an error.
	op, text string
	write    func(netlink.Link, *netlink.Addr) error
	// done is the kernel's error where nothing is left to do.
	done syscall.Errno
}

// editAddresses continues past addresses that fail. An interface that is gone is no failure: there is nothing to repair
// until it is back, which Watch reports.
func (l links) editAddresses(name string, prefixes []netip.Prefix, e addressEdit) error {
	if len(prefixes) == 0 {
		return nil
	}
	link, err := l.conn.Find(name)
	if err != nil || link == nil {
		return err
	}
	return rtnl.Each(prefixes, func(p netip.Prefix) error {
		l.count(e.op)
		if err := e.write(link, address(p)); err != nil && !errors.Is(err, e.done) {
			return fmt.Errorf(e.text, p, name, err)
		}
		return nil
	})
}

// address converts an address. IPv6 ones are not checked for duplicates (nodad): a tentative address cannot be a
// route's source, the check would never end on an interface without carrier, and the address is the same on bridge and
// device on purpose.
func address(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: rtnl.ToIPNet(p)}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

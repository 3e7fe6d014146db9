package linux

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

// find returns the named interface; nil where there is none.
func (h *Host) find(name string) (netlink.Link, error) {
	return findWith(h.netlink, name)
}

func findWith(handle *netlink.Handle, name string) (netlink.Link, error) {
	link, err := handle.LinkByName(name)
	if _, absent := errors.AsType[netlink.LinkNotFoundError](err); absent {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up interface %s: %w", name, err)
	}
	return link, nil
}

// setLink creates the WireGuard interface where that is the Host's to do, in place of one of the other Mode too, sets its
// MTU and brings it up. The error wraps ErrNoDevice or errNoLink where there is no interface afterwards.
func (h *Host) setLink(ctx context.Context, want *mesh.Link) error {
	if want == nil {
		return nil
	}
	if err := h.clear(ctx); err != nil {
		return err
	}
	link, err := h.owned()
	if err != nil {
		return err
	}
	if link == nil {
		if link, err = h.createLink(want.MTU); err != nil {
			return err
		}
	}
	return errors.Join(h.setMTU(h.cfg.Link, want.MTU), h.setUp(link, want.Up))
}

// clear deletes an interface that is to be replaced, with its addresses and routes; the guards stay. A userspace device's
// process notices, and chooses anew.
func (h *Host) clear(ctx context.Context) error {
	link, err := h.find(h.cfg.Link)
	if err != nil || link == nil || !h.replaceable(link) {
		return err
	}
	h.counts.add(opLinkDel)
	if err := h.netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete interface %s, which is to be replaced: %w: %w", h.cfg.Link, errNoLink, err)
	}
	h.awaitPort(ctx)
	return nil
}

// createLink makes the kernel's device. A userspace device comes with its process, which outlives the daemon.
func (h *Host) createLink(mtu int) (netlink.Link, error) {
	name := h.cfg.Link
	if h.mode == Userspace {
		return nil, fmt.Errorf("interface %s: %w", name, ErrNoDevice)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, mtu
	h.counts.add(opLinkAdd)
	if err := h.netlink.LinkAdd(&netlink.Wireguard{LinkAttrs: attrs}); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("create interface %s: %w: %w", name, errNoLink, err)
	}
	link, err := h.owned()
	if err == nil && link == nil {
		err = fmt.Errorf("interface %s: %w", name, errNoLink)
	}
	return link, err
}

// setUp brings the interface up; nothing of warren's ever takes one down.
func (h *Host) setUp(link netlink.Link, want bool) error {
	attrs := link.Attrs()
	if !want || attrs.Flags&net.FlagUp != 0 {
		return nil
	}
	h.counts.add(opLinkSet)
	if err := h.netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up interface %s: %w", attrs.Name, err)
	}
	return nil
}

// setMTU sets an interface's MTU in bytes; zero keeps it. An interface that is gone is no failure, as in addAddresses.
func (h *Host) setMTU(name string, mtu int) error {
	if mtu == 0 {
		return nil
	}
	link, err := h.find(name)
	if err != nil || link == nil || link.Attrs().MTU == mtu {
		return err
	}
	h.counts.add(opLinkSet)
	if err := h.netlink.LinkSetMTU(link, mtu); err != nil {
		return fmt.Errorf("set the MTU of interface %s to %d: %w", name, mtu, err)
	}
	return nil
}

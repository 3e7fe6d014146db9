package linux

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/drift"
	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/linux/wg"
)

// links owns the WireGuard interface and the pods' bridge, and their addresses. It creates the first, where the kernel
// provides the device, and never the second.
type links struct {
	conn *rtnl.Conn
	// count is called for every write, with its kind.
	count func(kind string)
	// link and bridge are the interfaces' names.
	link, bridge string
	// mode says whose device link is; empty where that has not been chosen (Remove): then no interface is owned.
	mode Mode
	// port is the UDP port that a device which is replaced must give up first; zero waits for none.
	port uint16
}

// observe returns the interfaces. The error wraps ErrForeignLink where the WireGuard interface is somebody else's.
func (l links) observe() (seen drift.Links, err error) {
	link, err := l.owned()
	if err != nil {
		return seen, err
	}
	if link != nil {
		attrs := link.Attrs()
		seen.LinkIndex = attrs.Index
		seen.Link = mesh.Link{Name: l.link, MTU: attrs.MTU, Up: attrs.Flags&net.FlagUp != 0}
		if seen.Link.Addresses, err = l.addresses(link); err != nil {
			return seen, err
		}
	}
	seen.Bridge, seen.BridgeIndex, err = l.observeBridge()
	return seen, err
}

// mtu returns the MTU in bytes of the interface of that index; zero where there is none.
func (l links) mtu(index int) (int, error) {
	link, err := l.conn.FindIndex(index)
	if err != nil || link == nil {
		return 0, err
	}
	return link.Attrs().MTU, nil
}

// owned returns the WireGuard interface, or nil where there is none of its name or where it is going to be replaced.
// The error wraps ErrForeignLink where the interface is somebody else's.
func (l links) owned() (netlink.Link, error) {
	link, err := l.conn.Find(l.link)
	if err != nil || link == nil {
		return nil, err
	}
	if mode, err := modeOf(link); err != nil || mode != l.mode {
		return nil, err
	}
	return link, nil
}

// replaceable reports whether the interface is a device of the other Mode under the name of the WireGuard interface.
func (l links) replaceable(link netlink.Link) bool {
	mode, err := modeOf(link)
	return err == nil && mode != l.mode && link.Attrs().Name == l.link
}

// set creates the WireGuard interface where that is the Host's to do, in the place of one of the other Mode too, sets
// its MTU and brings it up. The error wraps ErrNoDevice or rtnl.ErrNoLink where there is no interface afterwards.
func (l links) set(ctx context.Context, want *mesh.Link) error {
	if want == nil {
		return nil
	}
	if err := l.clear(ctx); err != nil {
		return err
	}
	link, err := l.owned()
	if err != nil {
		return err
	}
	if link == nil {
		if link, err = l.create(want.MTU); err != nil {
			return err
		}
	}
	return errors.Join(l.setMTU(l.link, want.MTU), l.setUp(link, want.Up))
}

// clear deletes an interface that is going to be replaced, with its addresses and routes; the guards stay. A userspace
// device's process notices, and chooses anew.
func (l links) clear(ctx context.Context) error {
	link, err := l.conn.Find(l.link)
	if err != nil || link == nil || !l.replaceable(link) {
		return err
	}
	l.count(opLinkDel)
	if err := l.conn.Handle.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete interface %s, which is to be replaced: %w: %w", l.link, rtnl.ErrNoLink, err)
	}
	wg.AwaitPort(ctx, l.port)
	return nil
}

// create makes the kernel's device. A userspace device comes with its process, which outlives the daemon.
func (l links) create(mtu int) (netlink.Link, error) {
	if l.mode == Userspace {
		return nil, fmt.Errorf("interface %s: %w", l.link, ErrNoDevice)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = l.link, mtu
	l.count(opLinkAdd)
	err := l.conn.Handle.LinkAdd(&netlink.Wireguard{LinkAttrs: attrs})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("create interface %s: %w: %w", l.link, rtnl.ErrNoLink, err)
	}
	link, err := l.owned()
	if err == nil && link == nil {
		err = fmt.Errorf("interface %s: %w", l.link, rtnl.ErrNoLink)
	}
	return link, err
}

// setUp brings the interface up; nothing of warren's ever takes one down.
func (l links) setUp(link netlink.Link, want bool) error {
	attrs := link.Attrs()
	if !want || attrs.Flags&net.FlagUp != 0 {
		return nil
	}
	l.count(opLinkSet)
	if err := l.conn.Handle.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up interface %s: %w", attrs.Name, err)
	}
	return nil
}

// setMTU sets an interface's MTU in bytes; zero keeps it. An interface that is gone is no failure, as in editAddresses.
func (l links) setMTU(name string, mtu int) error {
	if mtu == 0 {
		return nil
	}
	link, err := l.conn.Find(name)
	if err != nil || link == nil || link.Attrs().MTU == mtu {
		return err
	}
	l.count(opLinkSet)
	if err := l.conn.Handle.LinkSetMTU(link, mtu); err != nil {
		return fmt.Errorf("set the MTU of interface %s to %d: %w", name, mtu, err)
	}
	return nil
}

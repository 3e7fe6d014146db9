package userspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
)

// clonePath is the device node through which processes open TUN interfaces.
const clonePath = "/dev/net/tun"

// tunnel is the TUN interface as the supervisor holds it. While it does, the interface has a carrier and a queue.
type tunnel struct {
	file  *os.File
	index int
	// fresh says that the interface did not exist before openTunnel.
	fresh bool
}

// openTunnel opens the interface, and creates it if it does not exist.
func openTunnel(cfg Config) (*tunnel, error) {
	existed, err := check(cfg.Name)
	if err != nil {
		return nil, err
	}
	fd, err := openTUN(cfg.Name)
	if err != nil {
		return nil, err
	}
	t := &tunnel{file: os.NewFile(uintptr(fd), clonePath), fresh: !existed}
	found, err := netlink.LinkByName(cfg.Name)
	if err == nil && !existed {
		err = netlink.LinkSetMTU(found, mtu(cfg))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set the MTU of %s: %w", cfg.Name, err), t.Close())
	}
	t.index = found.Attrs().Index
	return t, nil
}

// exists reports whether the interface still exists. It is true if the kernel cannot tell.
func (t *tunnel) exists() bool {
	_, err := netlink.LinkByIndex(t.index)
	return !errors.As(err, &netlink.LinkNotFoundError{})
}

// persist makes the interface outlive this process, with its addresses and routes.
func (t *tunnel) persist() error {
	if err := unix.IoctlSetInt(int(t.file.Fd()), unix.TUNSETPERSIST, 1); err != nil {
		return fmt.Errorf("make the TUN interface persistent: %w", err)
	}
	return nil
}

// Close detaches from the interface. The kernel deletes it unless it is persistent.
func (t *tunnel) Close() error { return t.file.Close() }

// inherit takes over the interface, which the supervisor passes as TUNFile.
func inherit(name string) (*link, error) {
	// Not tun.CreateTUN: it sets the MTU of an interface that exists, and its listener ends the device when a burst of
	// netlink messages overruns its socket.
	dev, found, err := tun.CreateUnmonitoredTUNFromFD(TUNFile)
	if err == nil && found != name {
		err = errors.Join(fmt.Errorf("descriptor %d is %s", TUNFile, found), dev.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("take over %s from the supervisor: %w", name, err)
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look for interface %s: %w", name, err), dev.Close())
	}
	return newLink(dev, l.Attrs().Index), nil
}

// mtu returns the MTU of an interface that is to be created.
func mtu(cfg Config) int {
	if cfg.MTU == 0 {
		return device.DefaultMTU
	}
	return cfg.MTU
}

// check returns whether the interface exists, and an error if it is not a TUN of one queue: attaching to it would fail
// with a mere EINVAL.
func check(name string) (exists bool, err error) {
	found, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for interface %s: %w", name, err)
	}
	if _, ok := found.(*netlink.Wireguard); ok {
		return true, errKernelDevice
	}
	kind := found.Type()
	if t, ok := found.(*netlink.Tuntap); ok {
		switch {
		case t.Mode != netlink.TUNTAP_MODE_TUN:
			kind = "tap"
		case t.Flags&netlink.TUNTAP_MULTI_QUEUE != 0:
			kind = "multi-queue tun"
		default:
			return true, nil
		}
	}
	return true, fmt.Errorf("%s exists and is %w but of type %s: if nothing needs it, delete it (ip link delete %s)",
		name, ErrNotTUN, kind, name)
}

// openTUN opens the interface of this name. The kernel creates it if it does not exist.
func openTUN(name string) (fd int, err error) {
	fd, err = unix.Open(clonePath, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, refuseOpen(err)
	}
	if err := setInterface(fd, name); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// refuseOpen adds the remedy to the error of opening clonePath.
func refuseOpen(err error) error {
	remedy := "give the process the device " + clonePath + " and CAP_NET_ADMIN"
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		remedy = "load the kernel module (modprobe tun) and, in a container, mount " + clonePath
	}
	return fmt.Errorf("%w (open %s: %w): %s", ErrNoTUN, clonePath, err, remedy)
}

// setInterface attaches fd to the interface of this name. IFF_VNET_HDR lets many TCP segments pass as one packet.
func setInterface(fd int, name string) error {
	ifreq, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("interface name %q: %w", name, err)
	}
	ifreq.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifreq)
	switch {
	case errors.Is(err, unix.EBUSY):
		holder := tunHolder(os.DirFS("/proc").(fs.ReadLinkFS), name)
		return fmt.Errorf("%s is %w (%s): stop it first", name, ErrInUse, holder)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("attach to %s: %w: give the process CAP_NET_ADMIN", name, err)
	case err != nil:
		return fmt.Errorf("attach to %s: %w", name, err)
	}
	return nil
}

// Package iface owns the TUN interface of the userspace device. The supervisor opens and holds it (TUN); the device
// process takes it over and follows the state of its link (Link). It owns neither addresses and routes, which the
// daemon sets, nor packets.
package iface

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Errors of Open. The text of the error that wraps one of them names the remedy.
var (
	// ErrInUse says that another process has the interface.
	ErrInUse = errors.New("in use by another process")
	// ErrNotTUN says that an interface of that name exists and is no TUN interface.
	ErrNotTUN = errors.New("not a TUN interface")
	// ErrNoTUN says that the host has no TUN interfaces.
	ErrNoTUN = errors.New("TUN is not available")
	// ErrKernelDevice says that the interface is a WireGuard device of the kernel.
	ErrKernelDevice = errors.New("a WireGuard device of the kernel has the name")
)

// clonePath is the device node through which processes open TUN interfaces.
const clonePath = "/dev/net/tun"

// queue is how many packets wait at least for a device process that gets no processor, or is replaced; what comes when
// it is full is lost. A new TUN has 500 (drivers/net/tun.c, TUN_READQ_SIZE), while the socket on the other side of the
// device holds thousands.
const queue = 2000

// TUN is the interface as the supervisor holds it. While it does, the interface has a carrier and a queue.
type TUN struct {
	// File is the open interface, for the device process.
	File *os.File
	// Fresh says that the interface did not exist before Open.
	Fresh bool

	index int
}

// Open opens the interface of this name, and has it keep 2,000 packets, or more if it did already. If it does not
// exist, Open creates it with this MTU, in bytes; it does not outlive the process before Persist. The error wraps
// ErrInUse, ErrNotTUN, ErrNoTUN or ErrKernelDevice.
func Open(name string, mtu int) (*TUN, error) {
	existed, err := check(name)
	if err != nil {
		return nil, err
	}
	fd, err := openTUN(name)
	if err != nil {
		return nil, err
	}
	t := &TUN{File: os.NewFile(uintptr(fd), clonePath), Fresh: !existed}
	found, err := netlink.LinkByName(name)
	if err == nil && !existed {
		err = netlink.LinkSetMTU(found, mtu)
	}
	if err == nil && found.Attrs().TxQLen < queue {
		err = netlink.LinkSetTxQLen(found, queue)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set the MTU and the queue of %s: %w", name, err), t.Close())
	}
	t.index = found.Attrs().Index
	return t, nil
}

// Exists reports whether the interface still exists. It is true if the kernel cannot tell.
func (t *TUN) Exists() bool {
	_, err := netlink.LinkByIndex(t.index)
	return !errors.As(err, &netlink.LinkNotFoundError{})
}

// Persist makes the interface outlive this process, with its addresses and routes.
func (t *TUN) Persist() error {
	if err := unix.IoctlSetInt(int(t.File.Fd()), unix.TUNSETPERSIST, 1); err != nil {
		return fmt.Errorf("make the TUN interface persistent: %w", err)
	}
	return nil
}

// Close detaches from the interface. The kernel deletes it unless it is persistent.
func (t *TUN) Close() error { return t.File.Close() }

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
		return true, ErrKernelDevice
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
		by := holder(os.DirFS("/proc").(fs.ReadLinkFS), name)
		return fmt.Errorf("%s is %w (%s): stop it first", name, ErrInUse, by)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("attach to %s: %w: give the process CAP_NET_ADMIN", name, err)
	case err != nil:
		return fmt.Errorf("attach to %s: %w", name, err)
	}
	return nil
}

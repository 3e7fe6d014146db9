package linux

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh/linux/rtnl"
)

// Choice says which WireGuard device a host is to have, and why.
type Choice struct {
	// Mode is Kernel or Userspace.
	Mode Mode
	// Reason is a phrase for people.
	Reason string
	// Existing is the mode of the device that is there; empty where there is none. Where it is not Mode, Apply replaces
	// the device.
	Existing Mode
}

// privileged returns an error that wraps ErrNotPrivileged unless this process may configure the network.
func privileged() error {
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read the process's capabilities: %w", err)
	}
	if data[0].Effective&(1<<unix.CAP_NET_ADMIN) == 0 {
		return fmt.Errorf("%w: CAP_NET_ADMIN is missing: run as root, or with that capability", ErrNotPrivileged)
	}
	return nil
}

// Choose decides which device the interface named link is to be: the one that mode says, and for Auto what
// KernelWireGuard finds. The daemon and the userspace device process both call it, so that they agree. The interface
// that exists does not count: it may have been made before the kernel gained or lost WireGuard. The error wraps
// ErrNotPrivileged, ErrForeignLink or ErrNoKernelWireGuard.
func Choose(mode Mode, link string) (Choice, error) {
	if err := privileged(); err != nil {
		return Choice{}, err
	}
	existing, err := existingMode(link)
	if err != nil {
		return Choice{}, err
	}
	chosen, reason, err := choose(mode, existing)
	if err == nil && existing != "" && existing != chosen {
		reason += fmt.Sprintf("; %s, a device in mode %s, is to be replaced", link, existing)
	}
	return Choice{Mode: chosen, Reason: reason, Existing: existing}, err
}

// choose tries nothing where a kernel's device exists, which proves that the kernel has WireGuard: a trial changes the
// host, and others are notified of that.
func choose(mode, existing Mode) (chosen Mode, reason string, err error) {
	if mode == Userspace {
		return Userspace, "asked for", nil
	}
	var missing error
	if existing != Kernel {
		missing = KernelWireGuard()
	}
	switch {
	case missing == nil && mode == Kernel:
		return Kernel, "asked for", nil
	case missing == nil:
		return Kernel, "the kernel has WireGuard", nil
	case errors.Is(missing, ErrNoKernelWireGuard) && mode != Kernel:
		return Userspace, missing.Error(), nil
	case errors.Is(missing, ErrNoKernelWireGuard):
		return "", "", fmt.Errorf("%w; load the module wireguard, or use --wireguard=%s", missing, Auto)
	}
	return "", "", missing
}

// existingMode returns the mode whose device the interface is; empty where there is none of that name.
func existingMode(name string) (Mode, error) {
	conn, err := rtnl.Open()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	link, err := conn.Find(name)
	if err != nil || link == nil {
		return "", err
	}
	return modeOf(link)
}

// modeOf returns the mode that may have made the interface. The error wraps ErrForeignLink where none has. Whether a
// TUN is a WireGuard device only its process knows, which need not be there: the name says that it is warren's.
func modeOf(link netlink.Link) (Mode, error) {
	switch l := link.(type) {
	case *netlink.Wireguard:
		return Kernel, nil
	case *netlink.Tuntap:
		if l.Mode == netlink.TUNTAP_MODE_TUN {
			return Userspace, nil
		}
	}
	name := link.Attrs().Name
	return "", fmt.Errorf("%w: %s is of type %s and not a WireGuard interface: remove it (ip link delete %s)",
		ErrForeignLink, name, link.Type(), name)
}

// KernelWireGuard tries whether the kernel has WireGuard: it creates an interface of that type, which loads the module
// where there is one, and deletes it. It returns nil where that works; the error wraps ErrNoKernelWireGuard where the
// kernel has no WireGuard. Looking for the module's name instead would miss kernels that have it built in, and those
// that may not load it.
func KernelWireGuard() error {
	conn, err := rtnl.Open()
	if err != nil {
		return err
	}
	defer conn.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = probeName()
	probe := &netlink.Wireguard{LinkAttrs: attrs}
	err = conn.Handle.LinkAdd(probe)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w (%w)", ErrNoKernelWireGuard, err)
	case err != nil:
		return fmt.Errorf("try to create a WireGuard interface: %w", err)
	}
	if err := conn.Handle.LinkDel(probe); err != nil {
		return fmt.Errorf("delete the WireGuard interface %s, made as a trial: %w", attrs.Name, err)
	}
	return nil
}

// probeName returns a name that is as long as an interface's may be (IFNAMSIZ less its terminator). It is random
// because the daemon and the device process may try at the same time.
func probeName() string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	return "warren-" + hex.EncodeToString(random[:])
}

package linux

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Choose decides between Kernel and Userspace, and says why. The daemon and the userspace device process both ask it, so
// that they agree: an interface that exists decides (nothing that carries traffic is replaced), then the mode, then what
// KernelWireGuard finds. The error wraps ErrNotPrivileged, ErrForeignLink or ErrNoKernelWireGuard.
func Choose(mode Mode, link string) (chosen Mode, reason string, err error) {
	if err := privileged(); err != nil {
		return "", "", err
	}
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return "", "", fmt.Errorf("open a routing socket: %w", err)
	}
	defer handle.Close()
	existing, err := findWith(handle, link)
	switch {
	case err != nil:
		return "", "", err
	case existing != nil:
		return chooseExisting(mode, existing)
	case mode == Userspace:
		return Userspace, "asked for", nil
	}
	missing := KernelWireGuard()
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

// chooseExisting adopts an interface that the mode allows.
func chooseExisting(mode Mode, link netlink.Link) (Mode, string, error) {
	for _, candidate := range []Mode{Kernel, Userspace} {
		if candidate.owns(link) == nil && (mode == candidate || mode == Auto || mode == "") {
			return candidate, "interface " + link.Attrs().Name + " exists", nil
		}
	}
	if mode == Auto || mode == "" {
		return "", "", notOurs(link, "a WireGuard interface")
	}
	return "", "", mode.owns(link)
}

// owns is nil for an interface that the backend may have made, and else wraps ErrForeignLink.
func (m Mode) owns(link netlink.Link) error {
	switch {
	case m.makes(link):
		return nil
	case m == Kernel:
		return notOurs(link, "the kernel's WireGuard")
	default:
		return notOurs(link, "a userspace WireGuard device")
	}
}

// makes reports whether the interface is of the backend's type. Whether a TUN is a WireGuard device only its process can
// tell, which need not be there yet.
func (m Mode) makes(link netlink.Link) bool {
	switch l := link.(type) {
	case *netlink.Wireguard:
		return m == Kernel
	case *netlink.Tuntap:
		return m == Userspace && l.Mode == netlink.TUNTAP_MODE_TUN
	}
	return false
}

func notOurs(link netlink.Link, want string) error {
	name, kind := link.Attrs().Name, link.Type()
	remedy := "remove it (ip link delete " + name + ")"
	if Kernel.makes(link) || Userspace.makes(link) {
		remedy += ", or change --wireguard"
	}
	return fmt.Errorf("%w: %s is of type %s and not %s: %s", ErrForeignLink, name, kind, want, remedy)
}

// KernelWireGuard tries whether the kernel has WireGuard: it creates an interface of that type, which loads the module
// where there is one, and deletes it. The error wraps ErrNoKernelWireGuard where the kernel has none. Looking for the
// module's name instead misses kernels that have it built in, and those that may not load it.
func KernelWireGuard() error {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open a routing socket: %w", err)
	}
	defer handle.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = probeName()
	probe := &netlink.Wireguard{LinkAttrs: attrs}
	err = handle.LinkAdd(probe)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w (%w)", ErrNoKernelWireGuard, err)
	case err != nil:
		return fmt.Errorf("try to create a WireGuard interface: %w", err)
	}
	if err := handle.LinkDel(probe); err != nil {
		return fmt.Errorf("delete the WireGuard interface %s, made as a trial: %w", attrs.Name, err)
	}
	return nil
}

// probeName is as long as an interface's name may be (IFNAMSIZ less its terminator). It is random because the daemon and
// the device process may try at the same time.
func probeName() string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	return "warren-" + hex.EncodeToString(random[:])
}

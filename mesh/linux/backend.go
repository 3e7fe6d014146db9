package linux

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Choice is which WireGuard device a host is to have, and why.
type Choice struct {
	// Mode is Kernel or Userspace.
	Mode Mode
	// Reason is for people.
	Reason string
	// Existing is the mode of the device that is there; empty where there is none. It may be the other one: Apply replaces it.
	Existing Mode
}

// Choose decides. The daemon and the userspace device process both ask it, so that they agree: the mode decides and, where
// that is Auto, what KernelWireGuard finds. An interface that exists does not: it may have been made before the kernel gained or
// lost WireGuard. The error wraps ErrNotPrivileged, ErrForeignLink or ErrNoKernelWireGuard.
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

// choose tries nothing where a kernel's device proves what the kernel has: a trial is a change of the host, which others are notified of.
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

// existingMode is the mode whose device the interface is; empty where there is none of the name.
func existingMode(name string) (Mode, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return "", fmt.Errorf("open a routing socket: %w", err)
	}
	defer handle.Close()
	link, err := findWith(handle, name)
	if err != nil || link == nil {
		return "", err
	}
	return modeOf(link)
}

// modeOf is the mode that may have made the interface; the error wraps ErrForeignLink where none has. Whether a TUN is a
// WireGuard device only its process can tell, which need not be there: the name says that it is warren's.
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

// owned is nil where the Host's device does not exist: there is no interface of its name, or one that is to be replaced.
// The error wraps ErrForeignLink where the interface is somebody else's.
func (h *Host) owned() (netlink.Link, error) {
	link, err := h.find(h.cfg.Link)
	if err != nil || link == nil {
		return nil, err
	}
	if mode, err := modeOf(link); err != nil || mode != h.mode {
		return nil, err
	}
	return link, nil
}

// replaceable reports whether the interface is a device of the other Mode under the name of the Host's.
func (h *Host) replaceable(link netlink.Link) bool {
	mode, err := modeOf(link)
	return err == nil && mode != h.mode && link.Attrs().Name == h.cfg.Link
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

package linux

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/mesh"
	"warren.mesh/mesh/guard"
)

// Observe reads everything that warren keeps on this host. It returns ErrForeignLink where the interface's name has come
// to belong to something else. A userspace device whose process is not there is no failure: its link may be there (the
// TUN is persistent), Device and Peers are empty. A device of the other Mode is as good as none: Apply replaces it.
func (h *Host) Observe(ctx context.Context) (mesh.Observation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shadow.distrust()
	seen, err := h.observe(ctx)
	if err != nil {
		h.shadow.doubt()
		return mesh.Observation{}, fmt.Errorf("observe the host: %w", err)
	}
	seen.Sort()
	h.shadow.reset(seen)
	return seen.Observation, nil
}

// observation is a mesh.Observation with what the shadow needs besides.
type observation struct {
	mesh.Observation
	// link and bridge are the interfaces' indices, zero where absent.
	link, bridge int
	// answers reports whether a device answers.
	answers bool
}

func (h *Host) observe(ctx context.Context) (seen observation, err error) {
	parts := []func() error{
		func() error { return h.observeInterfaces(&seen) },
		func() error { return h.observeDevice(&seen) },
		func() error { seen.Routes, err = h.routes.Observe(); return err },
		func() error { seen.Rules, err = h.rules.Observe(); return err },
		func() error { return h.observeFirewall(ctx, &seen) },
		func() error { seen.Sysctls, err = h.sysctls.observe(); return err },
	}
	var errs []error
	for _, observe := range parts {
		errs = append(errs, observe())
	}
	return seen, errors.Join(errs...)
}

// observeInterfaces reads link and bridge.
func (h *Host) observeInterfaces(seen *observation) error {
	link, err := h.links.owned()
	if err != nil {
		return err
	}
	if link != nil {
		seen.link = link.Attrs().Index
		seen.Link = mesh.Link{Name: h.cfg.Link, MTU: link.Attrs().MTU, Up: link.Attrs().Flags&net.FlagUp != 0}
		if seen.Link.Addresses, err = h.links.addresses(link); err != nil {
			return err
		}
	}
	return h.observeBridge(seen)
}

// observeBridge takes no notice of an interface of the bridge's name that is no bridge: the bridge plugin refuses it.
func (h *Host) observeBridge(seen *observation) error {
	link, err := h.conn.Find(h.cfg.Bridge)
	if _, is := link.(*netlink.Bridge); err != nil || !is {
		return err
	}
	seen.bridge = link.Attrs().Index
	seen.Bridge = mesh.Bridge{Name: h.cfg.Bridge, MTU: link.Attrs().MTU}
	seen.Bridge.Addresses, err = h.links.addresses(link)
	return err
}

func (h *Host) observeFirewall(ctx context.Context, seen *observation) error {
	listing, err := h.firewall.List(ctx)
	seen.Firewall = guard.Parse(listing)
	return err
}

func (h *Host) observeDevice(seen *observation) error {
	device, err := h.readOwned()
	if err != nil {
		return err
	}
	seen.Device, seen.Peers, seen.answers = toDevice(device), toPeers(device), device != nil
	seen.Statuses = toStatuses(device)
	return nil
}

// readOwned reads the device where it is of the Host's Mode; nil for another, and where there is none.
func (h *Host) readOwned() (*wgtypes.Device, error) {
	if link, err := h.links.owned(); err != nil || link == nil {
		return nil, err
	}
	return h.device.read()
}

package linux

import (
	"context"
	"errors"
	"fmt"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/mesh"
	"warren.mesh/mesh/guard"
	"warren.mesh/mesh/linux/drift"
	"warren.mesh/mesh/linux/wg"
)

// Observe reads everything that warren keeps on this host. It returns ErrForeignLink where the interface's name has
// come to belong to something else. A userspace device whose process is not there is no failure: its link may be there
// (the TUN is persistent), Device and Peers are empty. A device of the other Mode is as good as none: Apply replaces
// it.
func (h *Host) Observe(ctx context.Context) (mesh.Observation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.expected.BeginObserve()
	observation, seen, err := h.observe(ctx)
	if err != nil {
		h.expected.Invalidate()
		return mesh.Observation{}, fmt.Errorf("observe the host: %w", err)
	}
	observation.Sort()
	h.expected.Observed(seen)
	return observation, nil
}

// observe returns what the parts observe, and that part of it which others' changes are compared with.
func (h *Host) observe(ctx context.Context) (o mesh.Observation, seen drift.Seen, err error) {
	parts := []func() error{
		func() (err error) { seen.Links, err = h.links.observe(); return err },
		func() (err error) { seen.Device, err = h.observeDevice(); return err },
		func() (err error) { seen.Routes, err = h.routes.Observe(); return err },
		func() (err error) { seen.Rules, err = h.rules.Observe(); return err },
		func() (err error) { o.Firewall, o.Guarded, err = h.observeFirewall(ctx); return err },
		func() (err error) { seen.Sysctls, err = h.sysctls.Observe(); return err },
	}
	var errs []error
	for _, observe := range parts {
		errs = append(errs, observe())
	}
	o.Link, o.Bridge, o.Device = seen.Link, seen.Bridge, seen.Device.Device
	o.Peers, o.Statuses, o.Routes, o.Rules = seen.Device.Peers, seen.Device.Statuses, seen.Routes, seen.Rules
	o.Sysctls = seen.Sysctls
	return o, seen, errors.Join(errs...)
}

// observeFirewall returns what the table in force was made of; the zero value where it is not as warren makes it.
func (h *Host) observeFirewall(ctx context.Context) (f mesh.Firewall, guarded bool, err error) {
	listing, err := h.firewall.List(ctx)
	return guard.Parse(listing), guard.InForce(listing), err
}

// observeDevice reads the device's configuration and, apart from it, what is seen of its peers.
func (h *Host) observeDevice() (drift.Device, error) {
	end := h.readings.Begin()
	device, err := h.readOwned()
	end(wg.Statuses(device), err)
	if err != nil || device == nil {
		return drift.Device{}, err
	}
	return drift.Device{
		Device: wg.Config(device), Peers: wg.Peers(device), Statuses: wg.Statuses(device), Answers: true,
	}, nil
}

// readOwned reads the device where it is of the Host's Mode; nil for another, and where there is none.
func (h *Host) readOwned() (*wgtypes.Device, error) {
	if link, err := h.links.owned(); err != nil || link == nil {
		return nil, err
	}
	return h.device.Read()
}

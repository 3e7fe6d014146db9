package linux

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// readDevice is the device as WireGuard's own interface tells it (netlink, or the userspace process's socket in
// /var/run/wireguard), which `wg show` reads too; nil where no device answers to the name. It may be of the other Mode.
func (h *Host) readDevice() (*wgtypes.Device, error) {
	device, err := h.device.Device(h.cfg.Link)
	if silent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read WireGuard device %s: %w", h.cfg.Link, err)
	}
	return device, nil
}

// silent reports whether the error means that there is no device: a process that was killed leaves its socket behind,
// where nobody listens.
func silent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED)
}

// setDevice sets key and port. Both are set although only one may differ: setting the key it has leaves a device's
// sessions alone, and a socket opened again on the same port loses next to nothing.
func (h *Host) setDevice(want *mesh.Device) error {
	if want == nil {
		return nil
	}
	if public := h.cfg.PrivateKey.Public(); want.PublicKey != public {
		return fmt.Errorf("set up device %s: its public key should be %s, but the private key at hand has %s",
			h.cfg.Link, want.PublicKey, public)
	}
	key, port := wgtypes.Key(h.cfg.PrivateKey.Reveal()), int(want.Port)
	h.counts.add(opDevice)
	err := h.device.ConfigureDevice(h.cfg.Link, wgtypes.Config{PrivateKey: &key, ListenPort: &port})
	if err != nil {
		return fmt.Errorf("set key and port %d of device %s: %w", port, h.cfg.Link, h.explain(err))
	}
	return nil
}

// explain turns a device's error into what an operator can act on.
func (h *Host) explain(err error) error {
	switch {
	case silent(err) && h.mode == Userspace:
		return ErrNoDevice
	case silent(err):
		return errNoLink
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w: %w", ErrPortTaken, err)
	}
	return err
}

// readOwned is readDevice for a device of the Host's Mode; nil for another, and where there is none.
func (h *Host) readOwned() (*wgtypes.Device, error) {
	if link, err := h.owned(); err != nil || link == nil {
		return nil, err
	}
	return h.readDevice()
}

// toDevice is the zero value for nil.
func toDevice(d *wgtypes.Device) mesh.Device {
	if d == nil {
		return mesh.Device{}
	}
	return mesh.Device{PublicKey: publicKey(d), Port: uint16(d.ListenPort)}
}

// publicKey is zero for a device without a private key, which the kernel and the library disagree about: the public half
// of 32 zero bytes is a number too.
func publicKey(d *wgtypes.Device) keys.Public {
	if d.PrivateKey == (wgtypes.Key{}) {
		return keys.Public{}
	}
	return keys.Public(d.PublicKey)
}

// toPeers are the device's peers; none for nil.
func toPeers(d *wgtypes.Device) []mesh.Peer {
	if d == nil {
		return nil
	}
	var peers []mesh.Peer
	for _, p := range d.Peers {
		peers = append(peers, toPeer(p))
	}
	return peers
}

package linux

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

// device owns the configuration of the WireGuard device behind the interface: its key, port and peers. It uses WireGuard's
// own interface (netlink, or the userspace process's socket in /var/run/wireguard), as wg(8) does.
type device struct {
	client *wgctrl.Client
	// count is called for every write, with its kind.
	count func(kind string)
	// name is the interface's.
	name string
	// key goes into the device.
	key keys.Private
	// mode says what a device that does not answer means.
	mode Mode
}

// read returns nil where no device answers to the name. The device may be of the other Mode.
func (d device) read() (*wgtypes.Device, error) {
	seen, err := d.client.Device(d.name)
	if silent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read WireGuard device %s: %w", d.name, err)
	}
	return seen, nil
}

// silent reports whether the error means that there is no device: a process that was killed leaves its socket behind,
// where nobody listens.
func silent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED)
}

// set sets key and port. It sets both although only one may differ: setting the key it has leaves a device's sessions
// alone, and a socket opened again on the same port loses next to nothing.
func (d device) set(want *mesh.Device) error {
	if want == nil {
		return nil
	}
	if public := d.key.Public(); want.PublicKey != public {
		return fmt.Errorf("set up device %s: its public key should be %s, but the private key at hand has %s",
			d.name, want.PublicKey, public)
	}
	key, port := wgtypes.Key(d.key.Reveal()), int(want.Port)
	d.count(opDevice)
	err := d.client.ConfigureDevice(d.name, wgtypes.Config{PrivateKey: &key, ListenPort: &port})
	if err != nil {
		return fmt.Errorf("set key and port %d of device %s: %w", port, d.name, d.explain(err))
	}
	return nil
}

// explain turns a device's error into what an operator can act on.
func (d device) explain(err error) error {
	switch {
	case silent(err) && d.mode == Userspace:
		return ErrNoDevice
	case silent(err):
		return rtnl.ErrNoLink
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w: %w", ErrPortTaken, err)
	}
	return err
}

// portFree returns an error that wraps ErrPortTaken where something other than the device listens on the UDP port. The
// device would fail later, and in userspace with no more than a number.
func (d device) portFree(port int) error {
	if port == 0 {
		return nil
	}
	if seen, err := d.read(); err != nil || seen != nil && seen.ListenPort == port {
		return err
	}
	if !bound(port) {
		return nil
	}
	return fmt.Errorf("%w: %d: stop what uses it (ss -lunp 'sport = :%d'), or choose another with --port on every node",
		ErrPortTaken, port, port)
}

// toDevice returns the zero value for nil.
func toDevice(d *wgtypes.Device) mesh.Device {
	if d == nil {
		return mesh.Device{}
	}
	return mesh.Device{PublicKey: publicKey(d), Port: uint16(d.ListenPort)}
}

// publicKey is zero for a device without a private key. The kernel and the library disagree about that: the public half of
// 32 zero bytes is a number too.
func publicKey(d *wgtypes.Device) keys.Public {
	if d.PrivateKey == (wgtypes.Key{}) {
		return keys.Public{}
	}
	return keys.Public(d.PublicKey)
}

// toStatuses returns what is seen of the device's peers; nothing for nil.
func toStatuses(d *wgtypes.Device) []mesh.PeerStatus {
	if d == nil {
		return nil
	}
	var statuses []mesh.PeerStatus
	for _, p := range d.Peers {
		statuses = append(statuses, toStatus(p))
	}
	return statuses
}

// toPeers returns the device's peers; none for nil.
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

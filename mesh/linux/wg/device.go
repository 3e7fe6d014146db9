package wg

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// The kinds of write that a Device counts.
const (
	opDevice  = "device-set"
	opPeerSet = "peer-set"
	opPeerDel = "peer-del"
)

// Device is the WireGuard device behind an interface. All fields are required.
type Device struct {
	// Client uses netlink, or the userspace process's socket in /var/run/wireguard.
	Client *wgctrl.Client
	// Count is called for every write, with its kind. Each peer counts, not each message.
	Count func(kind string)
	// Name is the interface's.
	Name string
	// Key returns the private key that goes into the device, asked at each write of it.
	Key func() keys.Private
	// Absent is the cause of a failed write where no device answers: it says what to wait for or to do.
	Absent error
}

// Read returns the device, or nil where none answers to the name.
func (d Device) Read() (*wgtypes.Device, error) {
	seen, err := d.Client.Device(d.Name)
	if silent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read WireGuard device %s: %w", d.Name, err)
	}
	return seen, nil
}

// silent reports whether the error means that there is no device: a process that was killed leaves its socket behind,
// where nobody listens.
func silent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED)
}

// Set sets key and port; nil keeps them. It refuses another public key than Key's. It sets both although only one may
// differ: setting the key it has leaves a device's sessions alone, and a socket opened again on the same port loses
// next to nothing. The error wraps Absent where no device answers, and ErrPortTaken.
func (d Device) Set(want *mesh.Device) error {
	if want == nil {
		return nil
	}
	private := d.Key()
	if public := private.Public(); want.PublicKey != public {
		return fmt.Errorf("set up device %s: its public key should be %s, but the private key at hand has %s",
			d.Name, want.PublicKey, public)
	}
	key, port := wgtypes.Key(private.Reveal()), int(want.Port)
	d.Count(opDevice)
	err := d.Client.ConfigureDevice(d.Name, wgtypes.Config{PrivateKey: &key, ListenPort: &port})
	if err != nil {
		return fmt.Errorf("set key and port %d of device %s: %w", port, d.Name, d.explain(err))
	}
	return nil
}

// explain turns a device's error into what an operator can act on.
func (d Device) explain(err error) error {
	switch {
	case silent(err):
		return d.Absent
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w: %w", ErrPortTaken, err)
	}
	return err
}

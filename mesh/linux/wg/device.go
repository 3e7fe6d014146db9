package wg

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
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
	Client *Client
	// Count is called for every write, with its kind. Each peer counts, not each message.
	Count func(kind string)
	// Name is the interface's.
	Name string
	// Key returns the private key that goes into the device, asked at each write of it.
	Key func() keys.Private
	// Absent is the cause of a failed write where there is no device, and Hung where it does not answer: they say what
	// to wait for or to do.
	Absent, Hung error
}

// Read returns the device, or nil where none answers to the name. One that hangs is as good as none: what does not need
// it is still to be repaired.
func (d Device) Read() (*wgtypes.Device, error) {
	seen, err := d.Client.device(d.Name)
	if silent(err) || errors.Is(err, ErrHung) {
		return nil, nil
	}
	if err != nil {
		return nil, d.unreadable(err)
	}
	return seen, nil
}

func (d Device) unreadable(err error) error {
	return fmt.Errorf("read WireGuard device %s: %w", d.Name, err)
}

// silent reports whether the error means that there is no device: a process that was killed leaves its socket behind,
// where nobody listens.
func silent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED)
}

// Set sets key, port and mark; nil keeps them. It refuses another public key than Key's. It sets all although only one
// may differ: setting the key it has leaves a device's sessions alone, and a socket opened again on the same port loses
// next to nothing. The error wraps Absent where there is no device, Hung where it does not answer, and
// ErrPortTaken.
func (d Device) Set(want *mesh.Device) error {
	if want == nil {
		return nil
	}
	private := d.Key()
	if public := private.Public(); want.PublicKey != public {
		return fmt.Errorf("set up device %s: its public key should be %s, but the private key at hand has %s",
			d.Name, want.PublicKey, public)
	}
	key, port, mark := wgtypes.Key(private.Reveal()), int(want.Port), int(want.Mark)
	d.Count(opDevice)
	err := d.Client.configure(d.Name, wgtypes.Config{PrivateKey: &key, ListenPort: &port, FirewallMark: &mark})
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
	case errors.Is(err, ErrHung):
		return d.Hung
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w: %w", ErrPortTaken, err)
	}
	return err
}

// Hangs reports whether there is a device that does not answer. It changes nothing: an empty configuration costs a
// device of thousands of peers no more than one of none, unlike reading it.
func (d Device) Hangs() bool { return errors.Is(d.Client.configure(d.Name, wgtypes.Config{}), ErrHung) }

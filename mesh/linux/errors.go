package linux

import (
	"errors"
	"fmt"

	"warren.mesh/mesh"
)

// What New refuses to start with, each wrapped in a sentence that names the remedy.
var (
	// ErrNotPrivileged: CAP_NET_ADMIN is missing.
	ErrNotPrivileged = errors.New("not permitted to configure the network")
	// ErrNoNFT: there is no usable nft command.
	ErrNoNFT = errors.New("nft is missing or too old")
	// ErrForeignLink: the interface's name is taken by something that is no WireGuard device. Observe returns it too.
	ErrForeignLink = errors.New("interface belongs to something else")
	// ErrNoKernelWireGuard: mode Kernel on a kernel without WireGuard.
	ErrNoKernelWireGuard = errors.New("the kernel has no WireGuard")
	// ErrPortTaken: another process listens on WireGuard's UDP port.
	ErrPortTaken = errors.New("UDP port is taken")
)

// ErrNoDevice is wrapped by Apply's error while the userspace device process is not there. It wraps mesh.ErrWaiting: all
// that does not need the device, the guards first, has been applied.
var ErrNoDevice = fmt.Errorf("%w for the userspace device process: start `warren wireguard`", mesh.ErrWaiting)

// errNoLink is for what needs the interface after its creation failed, or after somebody removed it meanwhile.
var errNoLink = errors.New("no such interface")

// maxErrors is how many failures of one kind are told: 5,000 routes that fail alike need not be.
const maxErrors = 4

// failures collects the errors of a series of like operations, which goes on past them.
type failures struct {
	errs []error
	more int
}

// add notes err; nil is no failure.
func (f *failures) add(err error) {
	switch {
	case err == nil:
	case len(f.errs) < maxErrors:
		f.errs = append(f.errs, err)
	default:
		f.more++
	}
}

// err joins what was added; nil where that was nothing.
func (f *failures) err() error {
	errs := f.errs
	if f.more > 0 {
		errs = append(errs[:len(errs):len(errs)], fmt.Errorf("and %d failures more of this kind", f.more))
	}
	return errors.Join(errs...)
}

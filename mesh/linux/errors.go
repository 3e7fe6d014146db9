package linux

import (
	"errors"
	"fmt"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/wg"
)

// New returns these errors, each wrapped in a sentence that names the remedy.
var (
	// ErrNotPrivileged: CAP_NET_ADMIN is missing.
	ErrNotPrivileged = errors.New("not permitted to configure the network")
	// ErrNoNFT: there is no usable nft command.
	ErrNoNFT = errors.New("nft is missing or too old")
	// ErrForeignLink: an interface that is no WireGuard device has the name. Observe returns it too.
	ErrForeignLink = errors.New("interface belongs to something else")
	// ErrNoKernelWireGuard: mode Kernel on a kernel without WireGuard.
	ErrNoKernelWireGuard = errors.New("the kernel has no WireGuard")
	// ErrPortTaken: another process listens on WireGuard's UDP port.
	ErrPortTaken = wg.ErrPortTaken
)

// ErrNoDevice is wrapped by Apply's error while the userspace device process is not there. It wraps mesh.ErrWaiting:
// Apply has applied everything that does not need the device, the guards first.
var ErrNoDevice = fmt.Errorf("%w for the userspace device process: start `warren wireguard`", mesh.ErrWaiting)

// ErrHungDevice is wrapped by Apply's error while the userspace device process is there and does not answer. It wraps
// mesh.ErrWaiting, as ErrNoDevice does, and Apply has applied as much.
var ErrHungDevice = fmt.Errorf("%w for the userspace device process, which hangs: look at its log, and if it does not "+
	"come back, restart the container wireguard", mesh.ErrWaiting)

// Package userspace owns the WireGuard device of hosts whose kernel has none: golang.zx2c4.com/wireguard on a persistent
// TUN interface, configured through the usual UAPI socket, so that wgctrl and `wg` see no difference. It does not own the
// device's configuration: keys, port, peers, addresses and the link's state are set from outside, by the daemon.
//
// There are two processes. One holds the interface and supervises (Run); its child has the device (Drive), and may crash, or be
// killed for the memory it takes, without the interface going down and without anybody to configure it again.
package userspace

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Refusals of Run. Their text, with what is wrapped around it, names the remedy.
var (
	// ErrInUse says that another process drives the interface or its UAPI socket.
	ErrInUse = errors.New("in use by another process")
	// ErrNotTUN says that an interface of that name exists and is something else than a TUN.
	ErrNotTUN = errors.New("not a TUN interface")
	// ErrNoTUN says that the host offers no TUN interfaces.
	ErrNoTUN = errors.New("TUN is not available")
)

// ErrGone ends a device whose interface was deleted.
var ErrGone = errors.New("interface was deleted")

// errKernels says that the interface is the kernel's WireGuard, which the daemon replaces.
var errKernels = errors.New("the kernel's WireGuard device has the name")

// Config is what Run needs to know.
type Config struct {
	// Name is of the interface and, with ".sock" after it, of the UAPI socket in /var/run/wireguard.
	Name string
	// MTU is in bytes, of an interface that Run creates; zero is device.DefaultMTU, 1420. An existing interface keeps its
	// own: the daemon may have set it.
	MTU int
	// Command is the program, with its arguments, that calls Drive: the device process. It must not be empty.
	Command []string
	// Log must not be nil.
	Log *slog.Logger
	// Ready, where not nil, is called when the UAPI socket takes connections: of the first device process, and of each that
	// follows it.
	Ready func()
}

// Run creates the interface, or attaches to the one that an earlier process left, and has device processes drive it, one after
// another, until ctx ends. It then returns nil and leaves the interface, with its addresses and routes, in place. The kernel's
// WireGuard device in its place is the daemon's to delete, and is waited for.
//
// A device process that ends, however it does, is followed by another one at once, which continues with its configuration, endpoints and
// private key included. That is kept in memory, and in a file (StatePath) of mode 0600 for the next Run, but only on tmpfs: where
// /var/run/wireguard is on a disk, the next Run waits for the daemon. The interface stays up meanwhile, and packets wait in its
// queue, as many as its txqueuelen (500): what is more is dropped.
//
// The error wraps ErrInUse, ErrNotTUN or ErrNoTUN where Run refuses to start, and ErrGone where the interface was deleted: another Run
// makes it anew.
func Run(ctx context.Context, cfg Config) error {
	t, err := claim(ctx, cfg)
	if err != nil || t == nil {
		return err
	}
	s := supervisor{cfg: cfg, tunnel: t, kept: &kept{path: StatePath(cfg.Name), log: cfg.Log.With("iface", cfg.Name)}}
	if err := s.kept.begin(t.fresh); err != nil {
		return errors.Join(err, t.Close())
	}
	return errors.Join(s.supervise(ctx), t.Close())
}

// Device processes end with their supervisor, but a moment later; so long is waited for one to be gone.
const (
	endOfOthers  = time.Second
	lookInterval = 5 * time.Millisecond
)

// replaceInterval is how often is looked whether the daemon has deleted the kernel's device.
const replaceInterval = 50 * time.Millisecond

// claim opens the interface if nobody drives it; nil where ctx ends before.
func claim(ctx context.Context, cfg Config) (*tunnel, error) {
	begin, waiting := time.Now(), false
	for {
		t, err := claimNow(cfg)
		pause := lookInterval
		switch {
		case errors.Is(err, errKernels):
			if !waiting {
				cfg.Log.Info("waiting for the daemon to delete the kernel's device: start it with the same --wireguard", "iface", cfg.Name)
			}
			waiting, pause = true, replaceInterval
		case !errors.Is(err, ErrInUse) || time.Since(begin) > endOfOthers:
			return t, err
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(pause):
		}
	}
}

func claimNow(cfg Config) (*tunnel, error) {
	t, err := openTunnel(cfg)
	if err != nil {
		return nil, err
	}
	if err := free(cfg.Name); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

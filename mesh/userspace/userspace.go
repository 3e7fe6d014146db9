// Package userspace owns the WireGuard device of hosts whose kernel has none: golang.zx2c4.com/wireguard on a
// persistent TUN interface, configured through the usual UAPI socket, so that wgctrl and `wg` see no difference. It
// does not own the device's configuration: the daemon sets keys, port, peers, addresses and whether the link is up.
//
// There are two processes. The supervisor (Run) holds the interface; its child (Drive) runs the device. The child may
// crash, or be killed because of its memory: the interface stays up, and the next child restores the configuration by
// itself.
package userspace

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.zx2c4.com/wireguard/device"

	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/userspace/iface"
)

// Errors of Run, which refuses to start. The text of the error that wraps one of them names the remedy.
var (
	// ErrInUse says that another process has the interface or its UAPI socket.
	ErrInUse = iface.ErrInUse
	// ErrNotTUN says that an interface of that name exists and is no TUN interface.
	ErrNotTUN = iface.ErrNotTUN
	// ErrNoTUN says that the host has no TUN interfaces.
	ErrNoTUN = iface.ErrNoTUN
)

// ErrGone says that a running device ended because its interface was deleted.
var ErrGone = iface.ErrGone

// Config configures Run.
type Config struct {
	// Name is the interface's name; the UAPI socket is Name.sock in /var/run/wireguard.
	Name string
	// MTU is the MTU in bytes of an interface that Run creates; zero is device.DefaultMTU, 1420. An interface that
	// exists keeps its MTU: the daemon may have set it.
	MTU int
	// Command is the program, with its arguments, that Run starts as device process. It must call Drive. It must not be
	// empty.
	Command []string
	// Log must not be nil.
	Log *slog.Logger
	// Ready, if not nil, is called whenever a device process begins to accept connections on the UAPI socket.
	Ready func()
}

// Run creates the interface, or attaches to the one that an earlier process left, and runs device processes for it, one
// after another, until ctx ends. It then returns nil; the interface keeps existing, with its addresses and routes. If a
// WireGuard device of the kernel has the name, Run waits until the daemon deletes it.
//
// When a device process ends, for whatever reason, Run starts another one at once, which continues with its
// configuration, endpoints and private key included. Run has that in memory and, for the next Run, in a file
// (StatePath) of mode 0600, but only on tmpfs: if /var/run/wireguard is on a disk, the daemon must configure the device
// of the next Run. The interface stays up between two processes. Packets wait in its queue, as many as its txqueuelen
// (500); further ones are dropped.
//
// The error wraps ErrInUse, ErrNotTUN or ErrNoTUN if Run refuses to start, and ErrGone if the interface was deleted:
// another Run creates it anew.
func Run(ctx context.Context, cfg Config) error {
	t, err := acquire(ctx, cfg)
	if err != nil || t == nil {
		return err
	}
	saved := &savedConfig{path: StatePath(cfg.Name), log: cfg.Log.With("iface", cfg.Name)}
	if err := saved.begin(t.Fresh); err != nil {
		return errors.Join(err, t.Close())
	}
	s := supervisor{cfg: cfg, tun: t, saved: saved}
	return errors.Join(s.supervise(ctx), t.Close())
}

const (
	// exitPatience is how long acquire waits for an old device process to exit: it exits a moment after its supervisor.
	exitPatience = time.Second
	// exitInterval is how often acquire looks for that.
	exitInterval = 5 * time.Millisecond
	// replaceInterval is how often acquire looks whether the daemon has deleted the kernel's device.
	replaceInterval = 50 * time.Millisecond
)

// acquire opens the interface when no other process has it. It returns nil if ctx ends before.
func acquire(ctx context.Context, cfg Config) (*iface.TUN, error) {
	begin, waiting := time.Now(), false
	for {
		t, err := tryAcquire(cfg)
		pause := exitInterval
		switch {
		case errors.Is(err, iface.ErrKernelDevice):
			if !waiting {
				const message = "waiting for the daemon to delete the kernel's device: start it with this --wireguard"
				cfg.Log.Info(message, "iface", cfg.Name)
			}
			waiting, pause = true, replaceInterval
		case !errors.Is(err, ErrInUse) || time.Since(begin) > exitPatience:
			return t, err
		}
		if !loop.Sleep(ctx, pause) {
			return nil, nil
		}
	}
}

// tryAcquire opens the interface if no other process has it or its UAPI socket.
func tryAcquire(cfg Config) (*iface.TUN, error) {
	t, err := iface.Open(cfg.Name, mtu(cfg))
	if err != nil {
		return nil, err
	}
	if err := checkFree(cfg.Name); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// mtu returns the MTU of an interface that is to be created.
func mtu(cfg Config) int {
	if cfg.MTU == 0 {
		return device.DefaultMTU
	}
	return cfg.MTU
}

// Package userspace owns the WireGuard device of hosts whose kernel has none: golang.zx2c4.com/wireguard on a persistent
// TUN interface, configured through the usual UAPI socket, so that wgctrl and `wg` see no difference. It does not own the
// device's configuration: keys, port, peers, addresses and the link's state are set from outside, by the daemon.
package userspace

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"golang.zx2c4.com/wireguard/device"
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

// errGone ends a device whose interface was deleted.
var errGone = errors.New("interface was deleted")

// Config is what Run needs to know.
type Config struct {
	// Name is of the interface and, with ".sock" after it, of the UAPI socket in /var/run/wireguard.
	Name string
	// MTU is in bytes, of an interface that Run creates; zero is device.DefaultMTU, 1420. An existing interface keeps its
	// own: the daemon may have set it.
	MTU int
	// Log takes the device's messages, what wireguard-go calls verbose at debug level. It must not be nil.
	Log *slog.Logger
	// Ready, where not nil, is called when the UAPI socket takes connections: once, and again after each time that the
	// interface was deleted and made anew.
	Ready func()
}

// Run creates the interface, or attaches to the one that an earlier process left, and drives it until ctx ends. It then
// returns nil and leaves the interface, with its addresses and routes, in place. The device starts without a
// configuration. It comes up and goes down with the link, as a kernel device does.
//
// The error wraps ErrInUse, ErrNotTUN or ErrNoTUN where Run refuses to start.
func Run(ctx context.Context, cfg Config) error {
	for {
		err := run(ctx, cfg)
		if !errors.Is(err, errGone) {
			return err
		}
		// A restart of the whole process would do as well but waits for the kubelet's back-off.
		cfg.Log.Warn("interface was deleted, making it anew", "iface", cfg.Name)
	}
}

// run drives one interface for as long as it exists.
func run(ctx context.Context, cfg Config) error {
	l, err := attach(cfg)
	if err != nil {
		return err
	}
	s, err := openUAPI(cfg.Name)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	// Persistent only now: a start that failed leaves nothing behind that was not there.
	if err := l.persist(); err != nil {
		return errors.Join(err, s.Close(), l.Close())
	}
	return drive(ctx, cfg, l, s)
}

// drive connects the interface, the UDP sockets and the UAPI socket by a device, until one of them ends.
func drive(ctx context.Context, cfg Config, l *link, s *uapi) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	log := cfg.Log.With("iface", cfg.Name)
	dev := device.NewDevice(l, newBind(l.up), newLogger(log))

	var parts sync.WaitGroup
	parts.Go(func() { l.watch(ctx) })
	served := make(chan error, 1)
	parts.Go(func() { served <- s.serve(ctx, log, dev.IpcHandle) })
	if cfg.Ready != nil {
		cfg.Ready()
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	case <-dev.Wait():
		err = l.ended()
	}
	cancel()
	dev.Close()
	parts.Wait()
	return err
}

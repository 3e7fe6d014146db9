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

// errGone ends a device whose interface was deleted.
var errGone = errors.New("interface was deleted")

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
// another, until ctx ends. It then returns nil and leaves the interface, with its addresses and routes, in place.
//
// A device process that ends, however it does, is followed by another one at once, which continues with its configuration, endpoints and
// private key included. That is kept in memory, and in a file (StatePath) of mode 0600 for the next Run, but only on tmpfs: where
// /var/run/wireguard is on a disk, the next Run waits for the daemon. The interface stays up meanwhile, and packets wait in its
// queue, as many as its txqueuelen (500): what is more is dropped.
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

// run has one interface driven for as long as it exists.
func run(ctx context.Context, cfg Config) error {
	t, err := claim(ctx, cfg)
	if err != nil {
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

// claim opens the interface if nobody drives it.
func claim(ctx context.Context, cfg Config) (*tunnel, error) {
	begin := time.Now()
	for {
		t, err := claimNow(cfg)
		if !errors.Is(err, ErrInUse) || time.Since(begin) > endOfOthers || ctx.Err() != nil {
			return t, err
		}
		time.Sleep(lookInterval)
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

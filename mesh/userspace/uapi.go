package userspace

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"

	"golang.zx2c4.com/wireguard/ipc"
)

// uapi is the socket through which wgctrl and `wg` configure the device.
type uapi struct {
	name     string
	listener net.Listener
}

// openUAPI makes the socket. It replaces one that a killed process left. The error wraps ErrInUse if another process
// answers on it.
func openUAPI(name string) (*uapi, error) {
	u := &uapi{name: name}
	return u, u.open()
}

// checkFree returns an error that wraps ErrInUse if a process answers on the socket.
func checkFree(name string) error {
	c, err := net.Dial("unix", filepath.Join(SocketDir, name+".sock"))
	if err != nil {
		return nil //nolint:nilerr // Nobody listens.
	}
	_ = c.Close()
	return fmt.Errorf("UAPI socket of %s: %w: stop it first", name, ErrInUse)
}

func (u *uapi) open() error {
	file, err := ipc.UAPIOpen(u.name)
	if err != nil {
		// ipc exports no value for this error.
		if err.Error() == "unix socket in use" {
			err = fmt.Errorf("%w: stop it first", ErrInUse)
		}
		return fmt.Errorf("UAPI socket of %s: %w", u.name, err)
	}
	defer func() { _ = file.Close() }() // UAPIListen duplicates it.
	u.listener, err = ipc.UAPIListen(u.name, file)
	if err != nil {
		return fmt.Errorf("listen on the UAPI socket of %s: %w", u.name, err)
	}
	return nil
}

// Close removes the socket.
func (u *uapi) Close() error { return u.listener.Close() }

// serve answers clients until ctx ends. It makes the socket anew when somebody removes or touches it, upon which stock
// wireguard-go ends.
func (u *uapi) serve(ctx context.Context, log *slog.Logger, handle func(net.Conn)) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		err := u.accept(ctx, func(c net.Conn) {
			clients.Go(func() {
				defer context.AfterFunc(ctx, func() { _ = c.Close() })()
				handle(c)
			})
		})
		if ctx.Err() != nil {
			return nil
		}
		log.Warn("UAPI socket was removed, making it anew", "err", err)
		if err := u.open(); err != nil {
			return err
		}
	}
}

// accept accepts clients until the socket fails or ctx ends, and then closes it, once: a second Close of ipc's listener
// would close a file descriptor that may belong to another file by then.
func (u *uapi) accept(ctx context.Context, client func(net.Conn)) error {
	closed := sync.OnceValue(u.listener.Close)
	defer func() { _ = closed() }() // It fails if the socket is removed already, which is what it is for.
	defer context.AfterFunc(ctx, func() { _ = closed() })()
	for {
		c, err := u.listener.Accept()
		if err != nil {
			return err
		}
		client(c)
	}
}

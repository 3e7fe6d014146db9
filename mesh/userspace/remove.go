package userspace

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// socketDir is where UAPI sockets are for everybody: wireguard-go, wgctrl and `wg` have it built in.
const socketDir = "/var/run/wireguard"

// Remove deletes the UAPI socket of a device process that was killed, the configuration that was kept for the next one, and the
// sockets' directory where nobody has one in it. The interface is not its business. Removing what is absent succeeds; the error wraps ErrInUse where a process
// still answers.
func Remove(name string) error {
	return remove(filepath.Join(socketDir, name+".sock"), StatePath(name))
}

func remove(socket, state string) error {
	if conn, err := net.Dial("unix", socket); err == nil {
		_ = conn.Close()
		return fmt.Errorf("remove the UAPI socket %s: %w: stop it first", socket, ErrInUse)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the UAPI socket: %w", err)
	}
	if err := forget(state); err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(socket)) // fails where it holds others' sockets, or is mounted
	return nil
}

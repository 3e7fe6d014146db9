package userspace

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// SocketDir is the directory of UAPI sockets. It is built into wireguard-go, wgctrl and `wg`.
const SocketDir = "/var/run/wireguard"

// Remove deletes the UAPI socket that a killed device process left, the device's saved configuration, and the directory
// of UAPI sockets if it is empty. It does not delete the interface. Removing what is absent succeeds. The error wraps
// ErrInUse if a process still answers on the socket.
func Remove(name string) error {
	return remove(filepath.Join(SocketDir, name+".sock"), StatePath(name))
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
	_ = os.Remove(filepath.Dir(socket)) // It fails where the directory holds others' sockets, or is mounted.
	return nil
}

package gate

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// allowed returns an error if the client is neither root nor the user of this process, as in tests. The socket's mode
// says the same; a run directory that somebody opens to others does not change it.
func allowed(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	var got error
	err = raw.Control(func(fd uintptr) {
		peer, got = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, got); err != nil {
		return fmt.Errorf("ask who connected: %w", err)
	}
	if peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		return fmt.Errorf("user %d of process %d may not attach pods: only root may", peer.Uid, peer.Pid)
	}
	return nil
}

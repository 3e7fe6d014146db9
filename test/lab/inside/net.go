package inside

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// makeNet makes a network namespace with its loopback up and mounts it at NetPath, which keeps it without a process.
func makeNet(name string) error {
	f, err := os.OpenFile(NetPath(name), os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return fmt.Errorf("make network namespace %s: %w", name, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	made := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and nobody else gets it.
		runtime.LockOSThread()
		made <- mountNewNet(NetPath(name))
	}()
	if err := <-made; err != nil {
		return errors.Join(fmt.Errorf("make network namespace %s: %w", name, err), removeNet(name))
	}
	return nil
}

func mountNewNet(path string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
}

// removeNet removes what makeNet made; the absent is no error.
func removeNet(name string) error {
	path := NetPath(name)
	// EINVAL: not a mount point; ENOENT: not there.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && err != unix.EINVAL && err != unix.ENOENT {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

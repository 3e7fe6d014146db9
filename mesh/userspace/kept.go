package userspace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"warren.mesh/internal/atomicfile"
)

// StatePath is the file in which a device's configuration is kept, as UAPI sets it: beside the UAPI socket, in a directory that
// a container shares with its host, and so with its successor.
func StatePath(name string) string { return filepath.Join(socketDir, name+".state") }

// kept is the last configuration of a device, private key included: in memory for the next device process, and in a file on tmpfs for the
// next supervisor. It is one goroutine's.
type kept struct {
	path     string
	log      *slog.Logger
	settings []byte
	// unwritten says that the last attempt to write the file failed.
	unwritten bool
}

// begin is load for an interface that is still there, forget for a fresh one.
func (k *kept) begin(fresh bool) error {
	if fresh {
		return k.forget()
	}
	k.load()
	return nil
}

// load reads what an earlier supervisor left, unless others could have read or written it.
func (k *kept) load() {
	settings, err := readPrivate(k.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.log.Warn("an earlier configuration of the device is not used", "err", err)
	}
	k.settings = settings
}

// set keeps settings. Where they cannot be written, that is logged once, and nothing older is left.
func (k *kept) set(settings []byte) {
	if bytes.Equal(settings, k.settings) {
		return
	}
	k.settings = settings
	err := writePrivate(k.path, settings)
	if err != nil && !k.unwritten {
		k.log.Warn("the device's configuration will not outlive this process", "err", errors.Join(err, forget(k.path)))
	}
	k.unwritten = err != nil
}

// forget drops the configuration with the interface that it was for, as the kernel's WireGuard does.
func (k *kept) forget() error {
	k.settings = nil
	return forget(k.path)
}

// forget removes the file.
func forget(path string) error {
	if err := atomicfile.Remove(path); err != nil {
		return fmt.Errorf("remove the device's last configuration: %w", err)
	}
	return nil
}

// writePrivate replaces a file, on tmpfs only: a secret must not reach a disk.
func writePrivate(path string, content []byte) error {
	if err := onTmpfs(filepath.Dir(path)); err != nil {
		return err
	}
	return atomicfile.Write(path, content, 0o600)
}

// onTmpfs is nil for a directory whose files are in memory only.
func onTmpfs(dir string) error {
	var found unix.Statfs_t
	if err := unix.Statfs(dir, &found); err != nil {
		return &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if found.Type != unix.TMPFS_MAGIC && found.Type != unix.RAMFS_MAGIC {
		return fmt.Errorf("%s is not on tmpfs", dir)
	}
	return nil
}

// readPrivate reads a file that nobody else could have written or read.
func readPrivate(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var found unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &found); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if found.Mode&unix.S_IFMT != unix.S_IFREG || found.Mode&0o077 != 0 || int(found.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%s has mode %o and owner %d, want a file of mode 600 of this user: remove it", path, found.Mode, found.Uid)
	}
	return io.ReadAll(file)
}

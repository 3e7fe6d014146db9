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

// StatePath returns the path of the file that holds a device's configuration, as UAPI sets it. It is beside the UAPI
// socket, in a directory that a container shares with its host, and so with the container that follows it.
func StatePath(name string) string { return filepath.Join(SocketDir, name+".state") }

// savedConfig is the last configuration of a device, private key included: in memory for the next device process, and
// in a file on tmpfs for the next supervisor. One goroutine uses it.
type savedConfig struct {
	path     string
	log      *slog.Logger
	settings []byte
	// unwritten says that the last attempt to write the file failed.
	unwritten bool
}

// begin loads the configuration of an interface that exists, and forgets it for a fresh one.
func (c *savedConfig) begin(fresh bool) error {
	if fresh {
		return c.forget()
	}
	c.load()
	return nil
}

// load reads the file that an earlier supervisor left, unless others could have read or written it.
func (c *savedConfig) load() {
	settings, err := readPrivate(c.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.log.Warn("ignoring the device's saved configuration", "err", err)
	}
	c.settings = settings
}

// set saves settings. If it cannot write the file, it logs that once and removes an older one.
func (c *savedConfig) set(settings []byte) {
	if bytes.Equal(settings, c.settings) {
		return
	}
	c.settings = settings
	err := writePrivate(c.path, settings)
	if err != nil && !c.unwritten {
		err = errors.Join(err, forget(c.path))
		c.log.Warn("cannot save the device's configuration: it is lost with this process", "err", err)
	}
	c.unwritten = err != nil
}

// forget drops the configuration: a kernel device, too, loses it with its interface.
func (c *savedConfig) forget() error {
	c.settings = nil
	return forget(c.path)
}

// forget removes the file and what an interrupted write left.
func forget(path string) error {
	if err := atomicfile.Remove(path); err != nil {
		return fmt.Errorf("remove the device's saved configuration: %w", err)
	}
	return nil
}

// writePrivate replaces a file, on tmpfs only: a private key must not reach a disk.
func writePrivate(path string, content []byte) error {
	if err := onTmpfs(filepath.Dir(path)); err != nil {
		return err
	}
	return atomicfile.Write(path, content, 0o600)
}

// onTmpfs returns nil for a directory whose files are in memory only.
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

// readPrivate reads a file, and refuses one that other users could have written or read.
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
		const format = "%s has mode %o and owner %d, want a regular file of this user with mode 600: remove it"
		return nil, fmt.Errorf(format, path, found.Mode, found.Uid)
	}
	return io.ReadAll(file)
}

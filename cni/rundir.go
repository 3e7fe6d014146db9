package cni

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// CheckRunDir returns an error if what is in RunDir would outlive a reboot: the runtime would then start pods with
// yesterday's configuration before the guard is there, and addresses of pods that are gone would stay reserved. RunDir
// need not exist; its nearest parent that does tells.
func (c Configuration) CheckRunDir() error {
	for dir := c.RunDir; ; dir = filepath.Dir(dir) {
		var found unix.Statfs_t
		err := unix.Statfs(dir, &found)
		switch {
		case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
			continue
		case err != nil:
			return fmt.Errorf("run directory %s: %w", c.RunDir, &fs.PathError{Op: "statfs", Path: dir, Err: err})
		case found.Type != unix.TMPFS_MAGIC && found.Type != unix.RAMFS_MAGIC:
			const format = "run directory %s is not on tmpfs, so its files would outlive a reboot: choose one that " +
				"is, such as /run/warren (--run-dir), or mount a tmpfs there"
			return fmt.Errorf(format, c.RunDir)
		}
		return nil
	}
}

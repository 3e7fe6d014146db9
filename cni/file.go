package cni

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// replace puts content at path by a rename, so that readers find the old or the new and nothing between. It does not
// sync: the file lives on tmpfs.
func replace(path string, content []byte) error {
	temporary := temporary(path)
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// copyFile copies an executable to a path that is not in use, and syncs it: the name it will be renamed to must never
// stand for half a program, not after a power cut either.
func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if err := remove(to); err != nil {
		return err
	}
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Chmod(0o755), target.Sync(), target.Close())
}

// linkOver makes name another hard link to the file at path, in place of whatever has that name.
func linkOver(path, name string) error {
	temporary := temporary(name)
	if err := remove(temporary); err != nil {
		return err
	}
	if err := os.Link(path, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, name)
}

// temporary is the fixed name under which path's next content waits: fixed, so that what a crash leaves behind is found
// and used up by the next attempt.
func temporary(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
}

// remove deletes one file; its absence is fine.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

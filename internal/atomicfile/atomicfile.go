// Package atomicfile replaces files and links by a rename: readers, and a machine that starts after a crash, find the
// old content or the new content and nothing between. It owns the name under which new content waits, its mode, and
// what is synced when. It does not own what the files mean, nor the directories that they are in: those must exist.
//
// github.com/google/renameio/v2 is not used, for three reasons. Its temporary files have random names, so that each
// crash leaves another one behind, of which a caller that removes a secret does not know. It does not sync the
// directory, so a power cut may undo a rename that the caller was told of. It may write to $TMPDIR, which is a place
// for a private key only by luck.
package atomicfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Temporary returns the name under which the next content of path waits. It is in the same directory, because a rename
// does not cross file systems, and fixed, so that the next attempt replaces what a crash left. One process at a time
// may write to a path.
func Temporary(path string) string { return path + ".tmp" }

// Write replaces the file at path by one with this content and mode, whatever the umask. The content and the directory
// are synced, which costs nothing on tmpfs. On an error the old file is in place, but for one case: where the directory
// cannot be synced, the new file is in place and may be lost with the machine.
func Write(path string, content []byte, mode fs.FileMode) error {
	p, err := Prepare(path, bytes.NewReader(content), mode)
	if err != nil {
		return err
	}
	return p.commitOrRemove()
}

// Link makes path another hard link to the file at existing, in place of whatever file has that name.
func Link(existing, path string) error {
	p, err := prepare(path, func(temporary string) error { return os.Link(existing, temporary) })
	if err != nil {
		return err
	}
	return p.commitOrRemove()
}

// Remove deletes the file at path and what an attempt to replace it has left. Absent files are fine.
func Remove(path string) error { return errors.Join(remove(path), remove(Temporary(path))) }

// Pending is complete content that waits under Temporary(path) for Commit. Callers that take a step between the two can
// tell from the file that they were interrupted.
type Pending struct{ path string }

// Prepare writes all of content to a new file of this mode under Temporary(path), and syncs it. On an error it leaves
// no file there.
func Prepare(path string, content io.Reader, mode fs.FileMode) (Pending, error) {
	return prepare(path, func(temporary string) error { return write(temporary, content, mode) })
}

// PrepareSymlink makes a symbolic link to target under Temporary(path). The target need not exist.
func PrepareSymlink(path, target string) (Pending, error) {
	return prepare(path, func(temporary string) error { return os.Symlink(target, temporary) })
}

// prepare has create make a file of this name, after what a crash left is gone.
func prepare(path string, create func(temporary string) error) (Pending, error) {
	temporary := Temporary(path)
	if err := remove(temporary); err != nil {
		return Pending{}, err
	}
	if err := create(temporary); err != nil {
		return Pending{}, errors.Join(err, remove(temporary))
	}
	return Pending{path}, nil
}

// Commit renames the content into place and syncs the directory. It replaces a symbolic link, not what the link points
// to. When the rename fails, the content still waits.
func (p Pending) Commit() error {
	if err := os.Rename(Temporary(p.path), p.path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(p.path))
}

// commitOrRemove leaves nothing under the temporary name: not after an error, and not where it was another hard link to
// the file at path, for which rename does nothing (rename(2)).
func (p Pending) commitOrRemove() error { return errors.Join(p.Commit(), remove(Temporary(p.path))) }

// write makes a file that must not exist: O_EXCL also refuses a link that somebody placed there.
func write(path string, content io.Reader, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}

// syncDirectory makes a rename within the directory outlive a power cut. File systems that cannot sync a directory say
// EINVAL (fsync(2)); the rename has happened there too.
func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, dir.Close())
}

// remove deletes one file; its absence is fine.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

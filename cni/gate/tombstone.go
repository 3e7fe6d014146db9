package gate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Bury leaves a tombstone: the attachment has ended, and the daemon could not be told. The plugin calls it. On a node
// without the directory's parent, the run directory, there is no warren any more, and nothing to leave.
func (r Records) Bury(container, ifname string) error {
	err := validateKey(container, ifname)
	if err == nil {
		err = os.Mkdir(r.Dir, 0o700)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	if err == nil {
		// Its name says everything. So several plugins may write it at once.
		err = os.WriteFile(r.path(Key{container, ifname}, tombstoneSuffix), nil, 0o600)
	}
	if err != nil {
		return fmt.Errorf("record that container %s is gone: %w", container, err)
	}
	return nil
}

// Tombstones returns the attachments that have a tombstone, sorted by container and interface. Files that have its
// suffix and name no attachment are problems.
func (r Records) Tombstones() (gone []Key, problems []error) {
	names, err := r.names(tombstoneSuffix)
	if err != nil {
		return nil, []error{err}
	}
	for _, name := range names {
		container, ifname, _ := strings.Cut(strings.TrimSuffix(name, tombstoneSuffix), "@")
		if err := validateKey(container, ifname); err != nil {
			problems = append(problems, fmt.Errorf("tombstone %s: %w", filepath.Join(r.Dir, name), err))
			continue
		}
		gone = append(gone, Key{container, ifname})
	}
	return gone, problems
}

// buried reports whether the attachment has a tombstone.
func (r Records) buried(k Key) bool {
	_, err := os.Lstat(r.path(k, tombstoneSuffix))
	return err == nil
}

// removeTombstone deletes an attachment's tombstone. An absent one is fine.
func (r Records) removeTombstone(container, ifname string) error {
	err := os.Remove(r.path(Key{container, ifname}, tombstoneSuffix))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete the tombstone of container %s: %w", container, err)
	}
	return nil
}

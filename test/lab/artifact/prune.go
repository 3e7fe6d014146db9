package artifact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// unused is how long a version lies there unused before it goes: work trees that differ take turns, and a lab that runs
// needs its programs to the end.
const unused = 24 * time.Hour

// Use notes that a version, whose directory this is, was asked for.
func (c Cache) Use(dir string) error {
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err != nil {
		return fmt.Errorf("note that %s is used: %w", dir, err)
	}
	return nil
}

// Prune removes the versions of this name (NAME-KEY, whatever they hold) that nobody has asked for within a day.
func (c Cache) Prune(name string) error {
	versions, err := filepath.Glob(filepath.Join(c.Dir, name+"-"+strings.Repeat("[0-9a-f]", keyLength)))
	errs := []error{err}
	for _, dir := range versions {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) || err == nil && time.Since(info.ModTime()) < unused {
			continue
		}
		errs = append(errs, err, os.RemoveAll(dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove old versions of %s: %w", name, err)
	}
	return nil
}

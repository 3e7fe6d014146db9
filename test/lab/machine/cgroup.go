package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
)

// Cgroup names the cgroup of a lab's node, or with "*" the pattern of all its nodes'. Names of labs have no dots, so
// that no lab's are another's.
func Cgroup(lab, node string) string { return "warren." + lab + "." + node }

// RemoveCgroups removes the cgroups of that name or pattern, with those below, in every hierarchy; nothing may run in
// them any more.
func RemoveCgroups(pattern string) error {
	matches, err := filepath.Glob(filepath.Join("/sys/fs/cgroup/*", pattern))
	if err != nil {
		return err
	}
	for _, top := range matches {
		if err := removeCgroup(top); err != nil {
			return err
		}
	}
	return nil
}

func removeCgroup(top string) error {
	var dirs []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(dirs)
	for _, dir := range dirs {
		if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove cgroup %s: %w", dir, err)
		}
	}
	return nil
}

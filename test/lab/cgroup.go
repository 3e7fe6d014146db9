package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
)

func (n *Node) cgroup() string { return cgroupOf(n.lab.options.Name, n.Name) }

// cgroupOf names a node's cgroup. Names of labs have no dots, so that no lab's are another's.
func cgroupOf(lab, node string) string { return "warren." + lab + "." + node }

// removeCgroups removes the cgroups that match, with those below; nothing may run in them any more.
func removeCgroups(pattern string) error {
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

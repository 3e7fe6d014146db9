// Package hostdir tells of directories of the host that are mounted in a container, whether the host still has them.
package hostdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Dirs are directories of the host as they were when a process started. Make them with At.
type Dirs []dir

// dir is a directory, and where its mount was taken from; empty if it was no mount.
type dir struct{ path, root string }

// At returns the directories at these paths as they are now.
func At(paths ...string) (dirs Dirs) {
	for _, path := range paths {
		dirs = append(dirs, dir{path, mountedFrom(path)})
	}
	return dirs
}

// Lost returns an error, with the remedy, if somebody has deleted a directory that is mounted here, or has moved it
// since At. A container keeps the directory that it was started with, whatever is made in its place outside: nothing
// can be made in a deleted one any more, nobody else finds a moved one, and only a container that starts gets the new
// one. It returns nil for a directory that cannot be read, and for one that is no mount and is still there: its path
// finds the new one.
func (d Dirs) Lost() error {
	var errs []error
	for _, dir := range d {
		errs = append(errs, dir.lost())
	}
	return errors.Join(errs...)
}

// Kept returns those that are not lost now.
func (d Dirs) Kept() Dirs {
	return slices.DeleteFunc(slices.Clone(d), func(dir dir) bool { return dir.lost() != nil })
}

func (d dir) lost() error {
	var found unix.Stat_t
	if err := unix.Stat(d.path, &found); err != nil {
		return nil //nolint:nilerr // Whoever uses the directory says why it cannot.
	}
	what := "deleted"
	if found.Nlink > 0 {
		root := mountedFrom(d.path)
		if root == "" || d.root == "" || root == d.root {
			return nil
		}
		what = "moved"
	}
	return fmt.Errorf("directory %s was %s on the host, and what is in its place is not seen in this container: "+
		"restart the container, if it does not by itself", d.path, what)
}

// mountedFrom returns which directory of its file system is mounted at dir; empty if dir is no mount.
func mountedFrom(dir string) (root string) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return ""
	}
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return ""
	}
	return rootOf(string(table), dir)
}

// rootOf looks up a mount in the text of mountinfo, which proc_pid_mountinfo(5) describes. Of several mounts at one
// place, the last is seen.
func rootOf(table, dir string) (root string) {
	escaped := strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(dir)
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == escaped {
			root = fields[3]
		}
	}
	return root
}

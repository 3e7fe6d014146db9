// Package hostdir tells of directories of the host that are mounted in a container, whether the host still has them.
package hostdir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// first is where the directories' mounts were taken from when they were first asked about, by directory.
var first sync.Map

// Deleted returns an error, with the remedy, if somebody deleted or moved a directory that is mounted here. A container
// keeps the directory that it was started with, whatever is made in its place outside: nothing can be made in a deleted
// one any more, nobody else finds a moved one, and only a container that starts gets the new one. That a directory was
// moved is told by where it was at the first call, so a process calls this when it starts. It returns nil for a
// directory that cannot be read, and for one that is no mount and is still there: its path finds the new one.
func Deleted(dir string) error {
	var found unix.Stat_t
	if err := unix.Stat(dir, &found); err != nil {
		return nil //nolint:nilerr // Whoever uses the directory says why it cannot.
	}
	what := "deleted"
	if found.Nlink > 0 {
		root := mountedFrom(dir)
		began, _ := first.LoadOrStore(dir, root)
		if root == "" || began == "" || root == began {
			return nil
		}
		what = "moved"
	}
	return fmt.Errorf("directory %s was %s on the host, and what is in its place is not seen in this container: "+
		"restart the container, if it does not by itself", dir, what)
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

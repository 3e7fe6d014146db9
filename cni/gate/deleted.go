package gate

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Deleted returns an error, with the remedy, if somebody deleted a directory that is mounted here. A container keeps
// the directory that it was started with, whatever is made in its place outside: nothing can be made in it any more,
// and only a container that starts gets the new one. It returns nil for a directory that cannot be read.
func Deleted(dir string) error {
	var found unix.Stat_t
	if err := unix.Stat(dir, &found); err != nil || found.Nlink > 0 {
		return nil //nolint:nilerr // Whoever uses the directory says why it cannot.
	}
	return fmt.Errorf("directory %s was deleted on the host, and what is in its place is not seen in this container: "+
		"restart the container, as its liveness probe does", dir)
}

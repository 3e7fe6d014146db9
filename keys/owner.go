//go:build unix

package keys

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner returns an error if a file or directory is neither root's nor this user's: its owner may change it,
// whatever its mode.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 || int(stat.Uid) == os.Geteuid() {
		return nil
	}
	const format = "%s belongs to user %d, who may replace or know the key: chown root %s, or, if they may know it, " +
		"remove it to get a new one"
	return fmt.Errorf(format, path, stat.Uid, path)
}

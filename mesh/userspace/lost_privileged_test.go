package userspace

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPrivilegedDirectoryLost takes the directory of UAPI sockets away on the host, as the container of the device
// process has it: Run ends, so that the container starts again with the directory that is there then.
func TestPrivilegedDirectoryLost(t *testing.T) {
	for what, lose := range map[string]func(dir string) error{
		"deleted": os.RemoveAll,
		"moved":   func(dir string) error { return os.Rename(dir, dir+".bak") },
	} {
		t.Run(what, func(t *testing.T) {
			n := newNode(t)
			dir := filepath.Join(t.TempDir(), "wireguard")
			for _, made := range []string{dir, SocketDir} {
				if err := os.MkdirAll(made, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			n.startAs(t, n.mounted(t, dir))
			if err := lose(dir); err != nil {
				t.Fatal(err)
			}
			if err := n.cmd.Wait(); err == nil || !strings.Contains(n.stderr.String(), "was "+what+" on the host") {
				t.Errorf("the process ended with %v: %s", err, n.stderr)
			}
		})
	}
}

// mounted is the device process with dir in the place of the directory of UAPI sockets.
func (n *node) mounted(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := n.command(t)
	script := `mount --bind "$0" ` + SocketDir + ` && exec "$@"`
	args := slices.Concat([]string{"unshare", "--mount", "sh", "-c", script, dir}, cmd.Args)
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Args = path, args
	return cmd
}

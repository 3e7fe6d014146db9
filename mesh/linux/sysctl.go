package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

// sysctlRoot is where the kernel shows its parameters; those below net are the calling thread's network namespace's.
const sysctlRoot = "/proc/sys"

// hostSysctlRoot is where the DaemonSet mounts the node's parameters below net: runtimes make /proc/sys read-only in
// containers, and a privileged container would be far more than the daemon needs.
const hostSysctlRoot = "/host/proc/sys"

// sysctls are the parameters that Observe reads: all that mesh.Desired may ask for.
var sysctls = []string{
	"net/ipv4/conf/all/src_valid_mark",
	"net/ipv4/ip_forward",
	"net/ipv6/conf/all/forwarding",
}

// observeSysctls leaves out what this kernel does not have.
func (h *Host) observeSysctls() ([]mesh.Sysctl, error) {
	var all []mesh.Sysctl
	for _, name := range sysctls {
		value, err := os.ReadFile(filepath.Join(sysctlRoot, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("read sysctl %s: %w", name, err)
		default:
			all = append(all, mesh.Sysctl{Name: name, Value: strings.TrimSpace(string(value))})
		}
	}
	return all, nil
}

func (h *Host) setSysctls(want []mesh.Sysctl) error {
	var failed failures
	for _, s := range want {
		h.counts.add(opSysctl)
		failed.add(setSysctl(s, sysctlRoot, hostSysctlRoot))
	}
	return failed.err()
}

// setSysctl writes below root or, where that is read-only, below fallback.
func setSysctl(s mesh.Sysctl, root, fallback string) error {
	err := writeSysctl(filepath.Join(root, s.Name), s.Value)
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EROFS) && writeSysctl(filepath.Join(fallback, s.Name), s.Value) == nil {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return fmt.Errorf("set sysctl %s: %w; mount the node's /proc/sys/net at %s/net, or have the node set %s=%s",
			s.Name, err, fallback, s.Name, s.Value)
	}
	return fmt.Errorf("set sysctl %s to %s: %w", s.Name, s.Value, err)
}

// writeSysctl is not os.WriteFile: O_CREAT and O_TRUNC mean nothing here.
func writeSysctl(path, value string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	return errors.Join(err, file.Close())
}

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
	"warren.mesh/mesh/linux/rtnl"
)

// sysctls owns the kernel parameters that warren needs.
type sysctls struct {
	// count is called for every write, with its kind.
	count func(kind string)
	// root is where the kernel shows its parameters; those below net are the calling thread's network namespace's.
	root string
	// fallback is where root is writable when root itself is read-only.
	fallback string
	// names are the parameters that observe reads.
	names []string
}

const (
	sysctlRoot = "/proc/sys"
	// hostSysctlRoot is where the DaemonSet mounts the node's parameters below net: runtimes make /proc/sys read-only
	// in containers, and a privileged container would be far more than the daemon needs.
	hostSysctlRoot = "/host/proc/sys"
)

// observe leaves out what this kernel does not have, and what belongs to an interface that is absent.
func (s sysctls) observe() ([]mesh.Sysctl, error) {
	var all []mesh.Sysctl
	for _, name := range s.names {
		value, err := os.ReadFile(filepath.Join(s.root, name))
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

// set sets the parameters, and continues past those that fail.
func (s sysctls) set(want []mesh.Sysctl) error { return rtnl.Each(want, s.setOne) }

// setOne writes below root or, where that is read-only, below fallback.
func (s sysctls) setOne(want mesh.Sysctl) error {
	s.count(opSysctl)
	err := writeSysctl(filepath.Join(s.root, want.Name), want.Value)
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EROFS) && writeSysctl(filepath.Join(s.fallback, want.Name), want.Value) == nil {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return fmt.Errorf("set sysctl %s: %w; mount the node's /proc/sys/net at %s/net, or have the node set %s=%s",
			want.Name, err, s.fallback, want.Name, want.Value)
	}
	return fmt.Errorf("set sysctl %s to %s: %w", want.Name, want.Value, err)
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

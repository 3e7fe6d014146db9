package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

const (
	// Root is where the kernel shows its parameters; those below net are the calling thread's network namespace's.
	Root = "/proc/sys"
	// HostRoot is where the DaemonSet mounts the node's parameters below net: runtimes make /proc/sys read-only in
	// containers, and a privileged container would be far more than the daemon needs.
	HostRoot = "/host/proc/sys"
)

// Sysctls are the parameters of a host. All fields but Record are required.
type Sysctls struct {
	// Conn looks for interfaces with router advertisements.
	Conn *rtnl.Conn
	// Count is called for every write, with its kind.
	Count func(kind string)
	// Root is where the parameters are, and Fallback where they are writable if Root is read-only.
	Root, Fallback string
	// Link and Bridge are the names of warren's interfaces.
	Link, Bridge string
	// Record is the file in which Set notes what Restore puts back. Without it, nothing is put back, and what a link
	// that comes later accepts is not known.
	Record string

	// uplinks are what Observe found last.
	uplinks []string
}

// Observe reads the parameters that mesh.Desired may ask for, and accept_ra of those interfaces on which a host that
// forwards would otherwise lose what router advertisements give it, sorted. It leaves out what this kernel does not
// have, and what belongs to an interface that is absent.
func (s *Sysctls) Observe() ([]mesh.Sysctl, error) {
	uplinks, err := s.Uplinks()
	if err != nil {
		return nil, err
	}
	s.uplinks = uplinks
	return s.Again()
}

// Again reads what Observe found, without looking for interfaces, which takes longer the more pods there are.
func (s *Sysctls) Again() ([]mesh.Sysctl, error) {
	names := mesh.SysctlNames(s.Link, s.Bridge)
	for _, iface := range s.uplinks {
		names = append(names, mesh.AcceptRA(iface))
	}
	var all []mesh.Sysctl
	for _, name := range names {
		value, err := s.read(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("read sysctl %s: %w", name, err)
		default:
			all = append(all, mesh.Sysctl{Name: name, Value: value})
		}
	}
	slices.SortFunc(all, func(a, b mesh.Sysctl) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (s *Sysctls) read(name string) (string, error) {
	value, err := os.ReadFile(filepath.Join(s.Root, name))
	return strings.TrimSpace(string(value)), err
}

// Set sets the parameters in their order, and continues past those that fail.
func (s *Sysctls) Set(want []mesh.Sysctl) error { return rtnl.Each(want, s.setOne) }

// setOne notes the old value first, if it is to be put back. A parameter of an interface that has gone is no failure.
func (s *Sysctls) setOne(want mesh.Sysctl) error {
	s.Count("sysctl-set")
	err := s.note(want.Name)
	if err == nil {
		err = s.write(want)
	}
	if errors.Is(err, fs.ErrNotExist) && want.OfInterface() {
		return nil
	}
	return err
}

// write writes below Root or, where that is read-only, below Fallback.
func (s *Sysctls) write(want mesh.Sysctl) error {
	err := write(filepath.Join(s.Root, want.Name), want.Value)
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EROFS) && write(filepath.Join(s.Fallback, want.Name), want.Value) == nil {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return fmt.Errorf("set sysctl %s: %w; mount the node's /proc/sys/net at %s/net, or have the node set %s=%s",
			want.Name, err, s.Fallback, want.Name, want.Value)
	}
	return fmt.Errorf("set sysctl %s to %s: %w", want.Name, want.Value, err)
}

// write is not os.WriteFile: O_CREAT and O_TRUNC mean nothing here.
func write(path, value string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	return errors.Join(err, file.Close())
}

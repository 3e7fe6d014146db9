package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/test/vm/guest"
)

// mounts are in order: one may be within another.
var mounts = []struct{ kind, at string }{
	{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"cgroup2", "/sys/fs/cgroup"}, {"tmpfs",
		"/run"}, {"tmpfs", "/tmp"},
}

// dirs are missing in an initramfs, or in what was mounted over it.
var dirs = []string{"/run/netns", "/run/lock", "/var/lib", "/root"}

func mountAll() error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.at, err)
		}
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return os.Symlink("/run", "/var/run")
}

// prepare makes of the kernel what the tests expect of a host.
func prepare(plan guest.Plan) error {
	for _, module := range plan.Modules {
		if err := load(module); err != nil {
			return fmt.Errorf("load %s: %w", module, err)
		}
	}
	for name, value := range plan.Sysctls {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(loopback)
}

// load loads a module. That it is there already is no error.
func load(module string) error {
	f, err := os.Open(module)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && err != unix.EEXIST {
		return err
	}
	return nil
}

// openPort opens a serial port for bytes as they are: a terminal would make two of every line's end.
func openPort(path string) (*os.File, error) {
	port, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	mode, err := unix.IoctlGetTermios(int(port.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("read the mode of %s: %w", path, err)
	}
	mode.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(int(port.Fd()), unix.TCSETS, mode); err != nil {
		return nil, fmt.Errorf("set the mode of %s: %w", path, err)
	}
	return port, nil
}

// drain waits until all was sent (tcdrain).
func drain(port *os.File) error { return unix.IoctlSetInt(int(port.Fd()), unix.TCSBRK, 1) }

func release() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err.Error()
	}
	return unix.ByteSliceToString(name.Release[:])
}

func uptime() string {
	content, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return err.Error()
	}
	seconds, _, _ := strings.Cut(string(content), " ")
	return seconds + " s"
}

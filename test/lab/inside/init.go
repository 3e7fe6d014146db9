// Package inside is what runs in the namespaces of a lab's machines: their first process, and the attachment of pods.
// The lab binary calls it; the lab package says what to do, in JSON.
package inside

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Machine says how Init sets up the machine whose first process it is.
type Machine struct {
	// Hostname is its own.
	Hostname string
	// Disk is a directory whose subdirectories are mounted over Private; empty mounts none.
	Disk string
	// Private are the directories that the machine has to itself and that survive its reboot.
	Private []string
	// Cgroup is the name of the cgroup, in every hierarchy, that the machine's containers are in; it is made where it
	// is absent. Empty: the machine runs no containers.
	Cgroup string `json:",omitempty"`
}

// Ready is what Init prints once the machine is set up, Keep what it is told to outlive who started it.
const (
	Ready = "ready\n"
	Keep  = "keep\n"
)

// Init sets the machine up, says Ready on out and waits for the end: that of in, which comes with the end of whoever
// started it, unless it was told to Keep. It is called in namespaces made for it (mount, PID, UTS, IPC, network), as
// their first process.
func Init(m Machine, in io.Reader, out io.Writer) error {
	// Orphans become children of the first process; the kernel reaps them where SIGCHLD is ignored.
	signal.Ignore(unix.SIGCHLD)
	if err := m.setUp(); err != nil {
		return err
	}
	if _, err := io.WriteString(out, Ready); err != nil {
		return err
	}
	told, err := io.ReadAll(in)
	// Not select{}: nothing else runs in this process, and the runtime would take that for a deadlock.
	for string(told) == Keep {
		_ = unix.Pause()
	}
	return err
}

func (m Machine) setUp() error {
	if err := unix.Sethostname([]byte(m.Hostname)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make all mounts private: %w", err)
	}
	cgroups, err := m.openCgroups()
	if err != nil {
		return err
	}
	return errors.Join(m.mountKernel(), m.mountRun(), m.mountDisk(), loopbackUp(), m.prepareContainers(cgroups))
}

// mountKernel makes /proc show the machine's processes and /sys its network interfaces.
func (m Machine) mountKernel() error {
	for _, kind := range []string{"proc", "sysfs"} {
		target := map[string]string{"proc": "/proc", "sysfs": "/sys"}[kind]
		if err := unix.Mount(kind, target, kind, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", kind, target, err)
		}
	}
	return nil
}

// mountRun gives the machine a /run of its own, lost with it, which /var/run leads to.
func (m Machine) mountRun() error {
	// Else the host's network namespaces there would live as long as this machine. EINVAL: not a mount point.
	for _, dir := range []string{"/run/netns", "/run"} {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && err != unix.EINVAL && err != unix.ENOENT {
			return fmt.Errorf("unmount %s: %w", dir, err)
		}
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount a tmpfs on /run: %w", err)
	}
	for _, dir := range []string{"/run/lock", "/run/netns"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if at, err := filepath.EvalSymlinks("/var/run"); err == nil && at == "/run" {
		return nil
	}
	return bind("/run", "/var/run")
}

func (m Machine) mountDisk() error {
	for _, dir := range m.Private {
		own := filepath.Join(m.Disk, dir)
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		if err := bind(own, dir); err != nil {
			return err
		}
	}
	return nil
}

// bind mounts from over to, which it makes where it is absent: mount points are the one thing that a lab leaves on the
// host.
func bind(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s on %s: %w", from, to, err)
	}
	return nil
}

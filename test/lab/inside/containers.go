package inside

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroupDir is where every hierarchy of cgroup v1, or the one of v2, is mounted.
const cgroupDir = "/sys/fs/cgroup"

// openCgroups takes hold of the host's cgroup mounts, which the machine's own /sys will cover; -1 for a machine without
// containers.
func (m Machine) openCgroups() (tree int, err error) {
	if m.Cgroup == "" {
		return -1, nil
	}
	tree, err = unix.OpenTree(unix.AT_FDCWD, cgroupDir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return -1, fmt.Errorf("clone the cgroup mounts: %w", err)
	}
	return tree, nil
}

// prepareContainers makes the machine fit for a container runtime and a kubelet.
func (m Machine) prepareContainers(cgroups int) error {
	if m.Cgroup == "" {
		return nil
	}
	defer unix.Close(cgroups)
	if err := unix.MoveMount(cgroups, "", unix.AT_FDCWD, cgroupDir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount the cgroups: %w", err)
	}
	if err := errors.Join(m.makeCgroups(), coverSysctls()); err != nil {
		return err
	}
	// Host paths that containers mount with propagation need shared mounts, as systemd makes them.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make all mounts shared: %w", err)
	}
	return nil
}

func (m Machine) makeCgroups() error {
	hierarchies, err := filepath.Glob(cgroupDir + "/*/cgroup.procs")
	if err != nil {
		return err
	}
	for _, root := range hierarchies {
		if err := makeCgroup(filepath.Dir(root), m.Cgroup); err != nil {
			return fmt.Errorf("make cgroup %s: %w", m.Cgroup, err)
		}
	}
	return nil
}

// makeCgroup makes one of version 1. A cpuset starts out empty there, and nothing can run in it.
func makeCgroup(hierarchy, name string) error {
	dir := filepath.Join(hierarchy, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(hierarchy, file))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// kubeletSysctls are what kubelets set, which are not of a network namespace but of the whole host
// (pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables).
var kubeletSysctls = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// coverSysctls mounts copies over parameters of the host, so that a kubelet on this machine sets those.
func coverSysctls() error {
	const dir = "/run/lab/sysctl"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range kubeletSysctls {
		original := filepath.Join("/proc/sys", name)
		value, err := os.ReadFile(original)
		if err != nil {
			return fmt.Errorf("copy a kernel parameter: %w", err)
		}
		own := filepath.Join(dir, strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(own, value, 0o644); err != nil {
			return err
		}
		if err := unix.Mount(own, original, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cover %s: %w", original, err)
		}
	}
	return nil
}

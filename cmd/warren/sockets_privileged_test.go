package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/cni"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/userspace"
	"warren.mesh/test/lab/namespace"
)

// /healthz and /readyz fail by what Lost says of each directory of the host. Where a process drives the device, the
// daemon needs the directory of its socket. What was lost before a daemon started does not end it.
func TestPrivilegedSocketDirectoryLost(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	host, container := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(container, name) }
	d := daemon{
		attachments: cni.Configuration{ConfDir: at("net.d"), RunDir: at("run"), CacheDir: at("cache")},
		plugins:     cni.Plugins{To: at("bin")},
	}
	ownMounts(t)
	dirs := []string{at("net.d"), at("run"), at("cache"), at("bin"), userspace.SocketDir}
	for _, dir := range dirs {
		source := filepath.Join(host, filepath.Base(dir))
		bind(t, source, dir)
	}
	process, kernel := d.directories(true), d.directories(false)
	if err := process.Lost(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		source := filepath.Join(host, filepath.Base(dir))
		for _, lose := range []struct {
			what string
			do   func() error
		}{
			{"moved", func() error { return os.Rename(source, source+".bak") }},
			{"deleted", func() error { return os.RemoveAll(source + ".bak") }},
		} {
			if err := lose.do(); err != nil {
				t.Fatal(err)
			}
			want := "directory " + dir + " was " + lose.what + " on the host"
			if err := process.Lost(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Lost says %v, want %q", err, want)
			}
			if err := kernel.Lost(); err == nil || strings.Contains(err.Error(), userspace.SocketDir) {
				t.Errorf("with the kernel's device: %v", err)
			}
		}
	}
	if err := process.Kept().Lost(); err != nil {
		t.Errorf("a daemon that starts without its directories ends with %v", err)
	}
}

// ownMounts gives the calling thread a mount namespace of its own.
func ownMounts(t *testing.T) {
	t.Helper()
	for _, err := range []error{
		unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// bind makes source, and mounts it at dir until the test ends.
func bind(t *testing.T, source, dir string) {
	t.Helper()
	for _, err := range []error{
		os.MkdirAll(dir, 0o755), os.Mkdir(source, 0o755), unix.Mount(source, dir, "", unix.MS_BIND, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
}

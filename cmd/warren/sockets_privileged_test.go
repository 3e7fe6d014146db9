package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/cni"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// /healthz fails by what Deleted says. Where a process drives the device, the daemon needs the directory of its socket.
func TestPrivilegedSocketDirectoryLost(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	const sockets = "/var/run/wireguard"
	dir := filepath.Join(t.TempDir(), "wireguard")
	for _, err := range []error{
		os.MkdirAll(sockets, 0o755),
		os.Mkdir(dir, 0o755),
		unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount(dir, sockets, "", unix.MS_BIND, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = unix.Unmount(sockets, 0) })
	a := cni.Configuration{ConfDir: t.TempDir(), RunDir: t.TempDir()}
	process, kernel := withSockets{a, true}, withSockets{a, false}
	if err := process.Deleted(); err != nil {
		t.Fatal(err)
	}
	for _, lose := range []func() error{
		func() error { return os.Rename(dir, dir+".bak") },
		func() error { return os.RemoveAll(dir + ".bak") },
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if err := process.Deleted(); err == nil || !strings.Contains(err.Error(), sockets) {
			t.Errorf("Deleted says %v, want it to name %s", err, sockets)
		}
		if err := kernel.Deleted(); err != nil {
			t.Errorf("with the kernel's device: %v", err)
		}
	}
}

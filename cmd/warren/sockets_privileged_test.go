package main

import (
	"fmt"
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

// /healthz fails by what Lost says of each directory of the host. Where a process drives the device, the daemon needs
// the directory of its socket, and ends without it.
func TestPrivilegedSocketDirectoryLost(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	host, container := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(container, name) }
	d := daemon{
		attachments: cni.Configuration{ConfDir: at("net.d"), RunDir: at("run"), CacheDir: at("cache")},
		plugins:     cni.Plugins{To: at("bin")},
	}
	for _, err := range []error{
		unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	dirs := []string{at("net.d"), at("run"), at("cache"), at("bin"), userspace.SocketDir}
	for _, dir := range dirs {
		source := filepath.Join(host, filepath.Base(dir))
		for _, err := range []error{
			os.MkdirAll(dir, 0o755), os.Mkdir(source, 0o755), unix.Mount(source, dir, "", unix.MS_BIND, ""),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
	}
	process, kernel := d.directories(true), d.directories(false)
	ofProcess, ofKernel := sockets(true), sockets(false)
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
	err := userspace.AwaitLoss(t.Context(), ofProcess.Lost)
	if !strings.Contains(fmt.Sprint(err), userspace.SocketDir) {
		t.Errorf("the daemon ends with %v, want it to name %s", err, userspace.SocketDir)
	}
	if err := ofKernel.Lost(); err != nil {
		t.Errorf("with the kernel's device the daemon ends with %v", err)
	}
}

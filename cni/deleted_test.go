package cni_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/cni"
	"warren.mesh/cni/gate"
	"warren.mesh/internal/hostdir"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// mount has what is at from at to, too, in the test's mount namespace.
func mount(t *testing.T, from, to string) {
	t.Helper()
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
}

// A directory that the host deletes and makes anew is another one than that which a container has. The daemon says so,
// whatever it wanted to write there, and a container that starts, with new mounts, finds nothing wrong.
func TestPrivilegedDeletedDirectories(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	for _, err := range []error{
		unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	host, container := t.TempDir(), t.TempDir()
	c := cni.Configuration{
		ConfDir: filepath.Join(container, "net.d"), RunDir: filepath.Join(container, "warren"), Bridge: "warren-br0",
		CacheDir: filepath.Join(container, "cni"),
	}
	dirs := []string{c.ConfDir, c.RunDir, c.CacheDir}
	for _, dir := range dirs {
		source := filepath.Join(host, filepath.Base(dir))
		for _, made := range []string{source, dir} {
			if err := os.Mkdir(made, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		mount(t, source, dir)
		t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
	}
	configure(t, c, 1420)
	began := hostdir.At(c.Directories()...)
	if err := began.Lost(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		source := filepath.Join(host, filepath.Base(dir))
		if err := os.Rename(source, source+".bak"); err != nil {
			t.Fatal(err)
		}
		want := "directory " + dir + " was moved on the host"
		if err := began.Lost(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Lost says %v, want %q", err, want)
		}
		if err := os.RemoveAll(source + ".bak"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(source, 0o755); err != nil {
			t.Fatal(err)
		}
		want = "directory " + dir + " was deleted on the host"
		_, err := c.Configure(podCIDRs, 1420)
		if dir != c.CacheDir && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("Configure says %v, want %q", err, want)
		}
		if err := began.Lost(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Lost says %v, want %q", err, want)
		}
		if dir == c.RunDir {
			_, err := gate.Listen(gate.Socket(dir))
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "remove what") {
				t.Errorf("the gate says %v, want %q alone", err, want)
			}
		}
		if err := unix.Unmount(dir, 0); err != nil {
			t.Fatal(err)
		}
		mount(t, source, dir)
		if err := hostdir.At(c.Directories()...).Lost(); err != nil {
			t.Errorf("with a new mount: %v", err)
		}
		configure(t, c, 1420)
	}
}

package sysctl

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

func uncounted(string) {}

// A container's /proc/sys is read-only; the daemon writes through the mount that its manifest makes.
func TestPrivilegedSetSysctlInAContainer(t *testing.T) {
	meshtest.Privileged(t)
	fallback := container(t)
	want := mesh.Sysctl{Name: "net/ipv4/conf/all/src_valid_mark", Value: "1"}
	err := (&Sysctls{Count: uncounted, Root: Root, Fallback: t.TempDir()}).Set([]mesh.Sysctl{want})
	if !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), want.Name+"=1") {
		t.Errorf("without the mount: %v, want EROFS and the remedy", err)
	}
	if err := (&Sysctls{Count: uncounted, Root: Root, Fallback: fallback}).Set([]mesh.Sysctl{want}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(Root, want.Name)); err != nil ||
		strings.TrimSpace(string(got)) != "1" {
		t.Errorf("it reads %q, %v", got, err)
	}
}

// The kernel announces forwarding of both families at once; what it does not announce is read from time to time.
func TestPrivilegedSysctlsAnnounced(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	subscription, err := rtnl.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(subscription.Close)
	for _, tt := range []struct {
		name  string
		index int
	}{
		{"net/ipv4/ip_forward", rtnl.AllInterfaces},
		{"net/ipv6/conf/all/forwarding", rtnl.AllInterfaces},
		{mesh.Forwarding("lo"), 1},
	} {
		path := filepath.Join(Root, tt.name)
		for _, value := range []string{"1", "0"} {
			if err := write(path, value); err != nil {
				t.Fatal(err)
			}
			await(t, subscription, rtnl.Event{Kind: rtnl.SysctlEvent, Index: tt.index})
		}
	}
}

// await receives until the event comes, for as long as the test may run.
func await(t *testing.T, from *rtnl.Subscription, want rtnl.Event) {
	t.Helper()
	for {
		events, err := from.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(events, want) {
			return
		}
	}
}

// container moves this test into a network and a mount namespace in which /proc/sys is read-only but for its net, which
// is mounted below the returned directory. They end with the test.
func container(t *testing.T) string {
	t.Helper()
	namespace.Enter(t)
	root := t.TempDir()
	net := filepath.Join(root, "net")
	for _, err := range []error{
		os.Mkdir(net, 0o755),
		unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("/proc/sys/net", net, "", unix.MS_BIND, ""),
		unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""),
		unix.Mount("", "/proc/sys", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(net, 0); err != nil {
			t.Error(err)
		}
	})
	return root
}

package cni_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni"
)

func node(t testing.TB) cni.Configuration {
	t.Helper()
	dir := t.TempDir()
	return cni.Configuration{
		ConfDir: filepath.Join(dir, "etc/cni/net.d"),
		RunDir:  filepath.Join(dir, "run/warren"),
		Bridge:  "warren-br0",
	}
}

var podCIDRs = prefixes("10.244.1.0/24", "fd00:10:244:1::/64")

func configure(t testing.TB, c cni.Configuration, mtu int) (changed bool) {
	t.Helper()
	changed, err := c.Configure(podCIDRs, mtu)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestConfigure(t *testing.T) {
	c := node(t)
	if !configure(t, c, 1420) {
		t.Error("first time: not changed")
	}
	text, err := os.ReadFile(c.Link())
	if err != nil || !strings.Contains(string(text), `"mtu": 1420`) {
		t.Fatalf("through the link: %s, %v", text, err)
	}
	if info, err := os.Lstat(c.Link()); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Fatalf("%s is not a link: %v, %v", c.Link(), info, err)
	}
	before := tree(t, filepath.Dir(c.RunDir), c.ConfDir)
	if configure(t, c, 1420) {
		t.Error("second time: changed")
	}
	if diff := cmp.Diff(before, tree(t, filepath.Dir(c.RunDir), c.ConfDir)); diff != "" {
		t.Errorf("second time wrote (-before +after):\n%s", diff)
	}
	if !configure(t, c, 1370) {
		t.Error("another MTU: not changed")
	}
}

// A runtime that watches ConfDir reloads on a rename within it, so a change behind the link renames the link too.
func TestConfigureRenamesTheLinkAnew(t *testing.T) {
	c := node(t)
	configure(t, c, 1420)
	before, err := os.Lstat(c.Link())
	if err != nil {
		t.Fatal(err)
	}
	configure(t, c, 1370)
	if after, err := os.Lstat(c.Link()); err != nil || os.SameFile(before, after) {
		t.Errorf("the link is the same file as before the change: %v", err)
	}
}

func TestConfigureMends(t *testing.T) {
	for name, damage := range map[string]func(cni.Configuration) error{
		"link missing":    func(c cni.Configuration) error { return os.Remove(c.Link()) },
		"file missing":    func(c cni.Configuration) error { return os.Remove(c.File()) },
		"after a reboot":  func(c cni.Configuration) error { return os.RemoveAll(c.RunDir) },
		"file altered":    func(c cni.Configuration) error { return os.WriteFile(c.File(), []byte("{}"), 0o644) },
		"foreign link":    func(c cni.Configuration) error { return relink("/etc/passwd", c.Link()) },
		"copy in place":   func(c cni.Configuration) error { return relinkCopy(c) },
		"cut short":       func(c cni.Configuration) error { return os.Symlink("x", pending(c)) },
		"file cut short":  func(c cni.Configuration) error { return os.WriteFile(c.File(), nil, 0o644) },
		"directory gone":  func(c cni.Configuration) error { return os.RemoveAll(c.ConfDir) },
		"dangling, other": func(c cni.Configuration) error { return relink(c.File()+".old", c.Link()) },
	} {
		t.Run(name, func(t *testing.T) {
			c := node(t)
			configure(t, c, 1420)
			want := tree(t, c.ConfDir, c.RunDir)
			if err := damage(c); err != nil {
				t.Fatal(err)
			}
			if !configure(t, c, 1420) {
				t.Error("not changed")
			}
			if diff := cmp.Diff(names(want), names(tree(t, c.ConfDir, c.RunDir))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if configure(t, c, 1420) {
				t.Error("changed again")
			}
		})
	}
}

func TestConfigureRefusesAnothersFile(t *testing.T) {
	for name, place := range map[string]func(path string) error{
		"another network": func(path string) error {
			return os.WriteFile(path, []byte(`{"name":"cbr0","plugins":[]}`), 0o644)
		},
		"not JSON":    func(path string) error { return os.WriteFile(path, []byte("warren"), 0o644) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			c := node(t)
			if err := errors.Join(os.MkdirAll(c.ConfDir, 0o755), place(c.Link())); err != nil {
				t.Fatal(err)
			}
			before := tree(t, c.ConfDir)
			_, err := c.Configure(podCIDRs, 1420)
			if !errors.Is(err, cni.ErrForeign) || !strings.Contains(err.Error(), c.Link()) {
				t.Errorf("error %v, want ErrForeign with the path %s", err, c.Link())
			}
			if err := c.Remove(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(before, tree(t, c.ConfDir)); diff != "" {
				t.Errorf("it was touched (-before +after):\n%s", diff)
			}
		})
	}
}

func TestRemoveTakesItsOwnOnly(t *testing.T) {
	c := node(t)
	others := map[string]string{
		filepath.Join(c.ConfDir, "87-podman.conflist"): "{}",
		filepath.Join(c.RunDir, "wireguard.state"):     "x",
	}
	write(t, others)
	before := tree(t, c.ConfDir, c.RunDir)
	configure(t, c, 1420)
	write(t, map[string]string{filepath.Join(c.RunDir, "ipam/warren/10.244.1.2"): "id\r\neth0",
		filepath.Join(c.RunDir, "cni.sock"): "", filepath.Join(c.RunDir, "pods/id@eth0.json"): "{}"})
	for range 2 { // removing the absent succeeds
		if err := c.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(names(before), names(tree(t, c.ConfDir, c.RunDir))); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestRemoveTakesItsEmptyDirectory(t *testing.T) {
	c := node(t)
	configure(t, c, 1420)
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.RunDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v, want none", c.RunDir, err)
	}
}

func TestStrays(t *testing.T) {
	c := node(t)
	if got, err := c.Strays(podCIDRs); err != nil || got != nil {
		t.Errorf("without any reservation: %v, %v", got, err)
	}
	dir := filepath.Join(c.RunDir, "ipam", cni.Network)
	for _, name := range []string{"10.244.1.7", "fd00:10:244:1::7", "lock", "last_reserved_ip.0", "10.244.9.3",
		"fd00:10:244:9::3", "10.244.2.2"} {
		write(t, map[string]string{filepath.Join(dir, name): "0123abcd\r\neth0"})
	}
	got, err := c.Strays(podCIDRs)
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Addr{netip.MustParseAddr("10.244.2.2"), netip.MustParseAddr("10.244.9.3"),
		netip.MustParseAddr("fd00:10:244:9::3")}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func pending(c cni.Configuration) string { return filepath.Join(c.ConfDir, "10-warren.conflist.tmp") }

func relink(target, link string) error {
	return errors.Join(os.Remove(link), os.Symlink(target, link))
}

// relinkCopy puts a regular file with warren's own text where the link was, as a restored backup would.
func relinkCopy(c cni.Configuration) error {
	text, err := os.ReadFile(c.File())
	return errors.Join(err, os.Remove(c.Link()), os.WriteFile(c.Link(), text, 0o644))
}

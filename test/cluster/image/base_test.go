package image

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSlimDown(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{
		"usr/share/doc/bash/README", "usr/share/locale/de/x.mo", "usr/bin/bash",
		"var/cache/apt/archives/bash.deb", "var/cache/apt/pkgcache.bin", "var/lib/apt/lists/index",
		"var/log/bootstrap.log",
		"etc/dpkg/dpkg.cfg.d/x", "etc/apt/apt.conf.d/x", "etc/apt/sources.list",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := slimDown(root); err != nil {
		t.Fatal(err)
	}
	var left []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, path[len(root)+1:])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"etc/apt/apt.conf.d/slim", "etc/apt/apt.conf.d/x", "etc/apt/sources.list", "etc/dpkg/dpkg.cfg.d/slim",
		"etc/dpkg/dpkg.cfg.d/x",
		"usr/bin/bash",
	}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if list, err := os.ReadFile(filepath.Join(root, "etc/apt/sources.list")); err != nil || string(list) != sources {
		t.Errorf("sources.list: %q, %v", list, err)
	}
}

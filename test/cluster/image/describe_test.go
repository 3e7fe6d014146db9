package image

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pack makes a tar of files in this order: name, content, name, content, …
func pack(t *testing.T, files ...string) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for ; len(files) > 0; files = files[2:] {
		if err := w.WriteHeader(&tar.Header{Name: files[0], Size: int64(len(files[1])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func archive(t *testing.T, files ...string) Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, []byte(pack(t, files...)), 0o600); err != nil {
		t.Fatal(err)
	}
	return Image{Name: "example.com/x:1", Archive: path}
}

// The base's files are counted, what is above it is listed where it is a program.
func TestDescribe(t *testing.T) {
	base := pack(t, "usr/bin/base", "#!")
	above := pack(t, "opt/x/program", strings.Repeat("x", 250_000), "etc/configuration", "y")
	image := archive(t, "above.tar", above, "base.tar", base, "config.json", "{}",
		"manifest.json", `[{"Config":"config.json","Layers":["base.tar","above.tar"]}]`)
	var out bytes.Buffer
	if err := image.Describe(&out); err != nil {
		t.Fatal(err)
	}
	want := `example.com/x:1: 0.3 MB in 2 layers (` + image.Archive + `)
  layer 1:    0.0 MB, 1 files
  layer 2:    0.3 MB, 2 files
    /opt/x/program                           0.25 MB
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDescribeWhatIsNoImage(t *testing.T) {
	for name, image := range map[string]Image{
		"absent":      {Archive: filepath.Join(t.TempDir(), "absent")},
		"no manifest": archive(t, "layer.tar", pack(t)),
		"two images":  archive(t, "manifest.json", `[{},{}]`),
		"not JSON":    archive(t, "manifest.json", `[`),
		"not a layer": archive(t, "layer.tar", strings.Repeat("x", 1024)),
	} {
		if err := image.Describe(&bytes.Buffer{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

package oci

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// layer makes a layer of one file.
func layer(t *testing.T, name, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Write([]byte(content))
	if err := errors.Join(err, w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// layout makes a directory with one image.
func layout(t *testing.T, platform Platform, layers ...[]byte) string {
	t.Helper()
	dir := t.TempDir()
	write := func(content []byte) descriptor {
		sum := fmt.Sprintf("%x", sha256.Sum256(content))
		put(t, filepath.Join(dir, "blobs", "sha256", sum), content)
		return descriptor{Digest: "sha256:" + sum, Size: int64(len(content))}
	}
	var m manifest
	m.Config = write(marshal(t, platform))
	for _, l := range layers {
		m.Layers = append(m.Layers, write(l))
	}
	put(t, filepath.Join(dir, "index.json"), marshal(t, index{Manifests: []descriptor{write(marshal(t, m))}}))
	return dir
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func put(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

var platforms = []Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64", Variant: "v8"}}

// join makes an archive of an image for each platform. Each has its own file, and both share a layer.
func join(t *testing.T) (file, digest string) {
	t.Helper()
	var layouts []string
	for _, p := range platforms {
		layouts = append(layouts, layout(t, p, layer(t, "etc/os", "debian"), layer(t, "bin/x", p.Architecture),
			layer(t, "etc/os", "slim")))
	}
	file = filepath.Join(t.TempDir(), "image.tar")
	digest, err := Join(file, "example.com/x:1", layouts, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	return file, digest
}

// What is read of an archive is what was written: the images of all platforms, the files of the last layers.
func TestJoin(t *testing.T) {
	file, digest := join(t)
	got, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	want := Archive{Name: "example.com/x:1", Digest: digest}
	for _, p := range platforms {
		want.Images = append(want.Images, Image{Platform: p, Named: p})
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Image{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for n, p := range platforms {
		for name, want := range map[string]string{"bin/x": p.Architecture, "etc/os": "slim"} {
			if content, err := got.Images[n].File(name); err != nil || string(content) != want {
				t.Errorf("%s: %s: %q, %v", p.Architecture, name, content, err)
			}
		}
		if _, err := got.Images[n].File("absent"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("absent: %v", err)
		}
	}
}

// The same layouts make the same bytes.
func TestJoinIsReproducible(t *testing.T) {
	one, _ := join(t)
	other, _ := join(t)
	if !bytes.Equal(contents(t, one), contents(t, other)) {
		t.Error("two archives differ")
	}
}

func contents(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// An archive with a blob that is not what its digest says is refused.
func TestReadRefuses(t *testing.T) {
	file, digest := join(t)
	altered := bytes.Replace(contents(t, file), []byte(`"architecture":"amd64"`), []byte(`"architecture":"mips "`), 1)
	put(t, file, altered)
	if _, err := Read(file); err == nil || !strings.Contains(err.Error(), "is not what its name says") {
		t.Errorf("altered: %v", err)
	}
	put(t, file, bytes.ReplaceAll(contents(t, file), []byte(digest[7:]), bytes.Repeat([]byte("0"), 64)))
	if _, err := Read(file); err == nil {
		t.Error("no error without the index")
	}
}

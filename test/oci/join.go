package oci

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Join writes an archive to output: an index, known as name, of the images in layouts, directories with one image each.
// It returns the index's digest, sha256:…. The same layouts, name and time make the same bytes.
func Join(output, name string, layouts []string, modified time.Time) (digest string, err error) {
	all := index{SchemaVersion: 2, MediaType: indexType}
	blobs := map[string]string{}
	for _, dir := range layouts {
		image, err := image(dir, blobs)
		if err != nil {
			return "", fmt.Errorf("read the image layout %s: %w", dir, err)
		}
		all.Manifests = append(all.Manifests, image)
	}
	content, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	self := descriptor{
		MediaType: indexType, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(content)), Size: int64(len(content)),
		Annotations: map[string]string{refName: name},
	}
	top, err := json.Marshal(index{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{self}})
	if err != nil {
		return "", err
	}
	f, err := os.Create(output)
	if err != nil {
		return "", err
	}
	w := writer{tar.NewWriter(f), modified}
	err = w.all(map[string][]byte{blob(self.Digest): content, "index.json": top, "oci-layout": []byte(version)}, blobs)
	if err == nil {
		err = w.tar.Close()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return self.Digest, err
}

// image returns what refers to a layout's image, and adds its blobs: name in the archive → file.
func image(dir string, blobs map[string]string) (descriptor, error) {
	var top index
	if err := read(filepath.Join(dir, "index.json"), &top); err != nil {
		return descriptor{}, err
	}
	if len(top.Manifests) != 1 {
		return descriptor{}, fmt.Errorf("%d images, want one", len(top.Manifests))
	}
	found := top.Manifests[0]
	found.Annotations, found.Platform = nil, new(Platform)
	var m manifest
	if err := read(filepath.Join(dir, blob(found.Digest)), &m); err != nil {
		return descriptor{}, err
	}
	if err := read(filepath.Join(dir, blob(m.Config.Digest)), found.Platform); err != nil {
		return descriptor{}, err
	}
	for _, d := range append([]descriptor{found, m.Config}, m.Layers...) {
		blobs[blob(d.Digest)] = filepath.Join(dir, blob(d.Digest))
	}
	return found, nil
}

// blob is the name of what has this digest.
func blob(digest string) string { return "blobs/" + strings.ReplaceAll(digest, ":", "/") }

func read(file string, into any) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

type writer struct {
	tar      *tar.Writer
	modified time.Time
}

// all writes contents and the contents of files, in the order of their names.
func (w writer) all(contents map[string][]byte, files map[string]string) error {
	names := append(slices.Collect(maps.Keys(contents)), slices.Collect(maps.Keys(files))...)
	slices.Sort(names)
	for _, name := range names {
		if content, ok := contents[name]; ok {
			if err := w.file(name, strings.NewReader(string(content)), int64(len(content))); err != nil {
				return err
			}
		} else if err := w.copy(name, files[name]); err != nil {
			return err
		}
	}
	return nil
}

func (w writer) copy(name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return w.file(name, f, info.Size())
}

func (w writer) file(name string, content io.Reader, size int64) error {
	err := w.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: w.modified})
	if err == nil {
		_, err = io.Copy(w.tar, content)
	}
	return err
}

package oci

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Archive is an image that was read from a file.
type Archive struct {
	// Name is the image's, with registry and tag. Digest is its index's, sha256:….
	Name, Digest string
	// Images are those of the index, in its order.
	Images []Image
}

// Image is the image of one platform.
type Image struct {
	Platform
	// Named is the platform that the index says. Platform is what the image's own configuration says.
	Named  Platform
	layers []descriptor
	blobs  blobs
}

// blobs are the contents of an archive's files, by name.
type blobs map[string][]byte

// Read reads an archive. All of its blobs have to be what their digests say.
func Read(file string) (Archive, error) {
	all, err := readBlobs(file)
	if err != nil {
		return Archive{}, fmt.Errorf("read %s: %w", file, err)
	}
	a, err := all.archive()
	if err != nil {
		return Archive{}, fmt.Errorf("read %s: %w", file, err)
	}
	return a, nil
}

func readBlobs(file string) (blobs, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := blobs{}
	for archive := tar.NewReader(f); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(header.Name, "./")
		if sum, ok := strings.CutPrefix(name, "blobs/sha256/"); ok && sum != "" &&
			sum != fmt.Sprintf("%x", sha256.Sum256(content)) {
			return nil, fmt.Errorf("%s is not what its name says", name)
		}
		all[name] = content
	}
}

// get decodes a file of the archive.
func (b blobs) get(name string, into any) error {
	content, ok := b[name]
	if !ok {
		return fmt.Errorf("%s: %w", name, os.ErrNotExist)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (b blobs) archive() (Archive, error) {
	var top, all index
	if err := b.get("index.json", &top); err != nil {
		return Archive{}, err
	}
	if len(top.Manifests) != 1 || top.Manifests[0].MediaType != indexType {
		return Archive{}, fmt.Errorf("index.json lists %v, want one index", top.Manifests)
	}
	self := top.Manifests[0]
	if err := b.get(blob(self.Digest), &all); err != nil {
		return Archive{}, err
	}
	a := Archive{Name: self.Annotations[refName], Digest: self.Digest}
	for _, d := range all.Manifests {
		if d.Platform == nil {
			return Archive{}, fmt.Errorf("the index does not say the platform of %s", d.Digest)
		}
		image, m := Image{Named: *d.Platform, blobs: b}, manifest{}
		if err := b.get(blob(d.Digest), &m); err != nil {
			return Archive{}, err
		}
		if err := b.get(blob(m.Config.Digest), &image.Platform); err != nil {
			return Archive{}, err
		}
		image.layers = m.Layers
		a.Images = append(a.Images, image)
	}
	return a, nil
}

// File returns the content of a regular file in the image, by its name without a leading slash: that of the last layer
// that has it. An error that is os.ErrNotExist says that no layer does. What upper layers delete is not looked at.
func (i Image) File(name string) (content []byte, err error) {
	for n := len(i.layers) - 1; n >= 0; n-- {
		content, err := find(i.blobs[blob(i.layers[n].Digest)], name)
		if !errors.Is(err, os.ErrNotExist) {
			return content, err
		}
	}
	return nil, fmt.Errorf("%s: %w", name, os.ErrNotExist)
}

// find returns a regular file's content in a layer.
func find(layer []byte, name string) ([]byte, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		return nil, err
	}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, os.ErrNotExist
		} else if err != nil {
			return nil, err
		}
		if strings.TrimPrefix(header.Name, "./") == name && header.Typeflag == tar.TypeReg {
			return io.ReadAll(archive)
		}
	}
}

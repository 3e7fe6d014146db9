package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// layer is one layer of an image.
type layer struct {
	size  int64
	files []file
}

type file struct {
	path string
	size int64
}

// Describe writes the image's layers with their sizes, and the programs that the layers above the base add.
func (i Image) Describe(out io.Writer) error {
	layers, err := i.layers()
	if err != nil {
		return fmt.Errorf("read %s: %w", i.Archive, err)
	}
	var total int64
	for _, l := range layers {
		total += l.size
	}
	fmt.Fprintf(out, "%s: %.1f MB in %d layers (%s)\n", i.Name, megabytes(total), len(layers), i.Archive)
	for n, l := range layers {
		fmt.Fprintf(out, "  layer %d: %6.1f MB, %d files\n", n+1, megabytes(l.size), len(l.files))
		for _, f := range l.files {
			if n > 0 && executable(f.path) {
				fmt.Fprintf(out, "    %-36s %8.2f MB\n", "/"+f.path, megabytes(f.size))
			}
		}
	}
	return nil
}

// executable reports whether people or containers start the file.
func executable(path string) bool {
	for _, dir := range []string{"usr/bin/", "usr/sbin/", "usr/local/bin/", "opt/"} {
		if strings.HasPrefix(path, dir) {
			return true
		}
	}
	return false
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

// layers reads a docker-archive, a tar of a manifest and the layers' tars, and returns the layers, the base first.
func (i Image) layers() ([]layer, error) {
	f, err := os.Open(i.Archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var order []struct{ Layers []string }
	found := map[string]layer{}
	for archive := tar.NewReader(f); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch {
		case header.Name == "manifest.json":
			err = json.NewDecoder(archive).Decode(&order)
		case strings.HasSuffix(header.Name, ".tar") && header.Typeflag == tar.TypeReg:
			found[header.Name], err = readLayer(archive, header.Size)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, err)
		}
	}
	if len(order) != 1 {
		return nil, fmt.Errorf("a manifest of %d images", len(order))
	}
	var layers []layer
	for _, name := range order[0].Layers {
		layers = append(layers, found[name])
	}
	return layers, nil
}

func readLayer(r io.Reader, size int64) (layer, error) {
	l := layer{size: size}
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err != nil {
			return layer{}, err
		}
		if header.Typeflag == tar.TypeReg {
			l.files = append(l.files, file{header.Name, header.Size})
		}
	}
}

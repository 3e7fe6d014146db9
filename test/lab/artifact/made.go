package artifact

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
)

// Made is a file that something other than go build makes.
type Made struct {
	// Name is the file's in the cache.
	Name string
	// Dir is what Files are relative to.
	Dir string
	// Files are what it is made from, and Inputs everything else that it depends on: they decide whether the cache has
	// it.
	Files  []string
	Inputs []string
	// Cost is what to expect where nothing is cached, for people.
	Cost string
	// Make writes the file to output, whose directory exists.
	Make func(ctx context.Context, output string) error
}

// GetMade is Get for what is not built by Go.
func (c Cache) GetMade(ctx context.Context, m Made) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", m.Inputs)
	key, err := digest(sum, m.Dir, m.Files)
	if err != nil {
		return "", fmt.Errorf("hash the sources of %s: %w", m.Name, err)
	}
	return c.get(ctx, key, m)
}

// get is the path of what has this key; where it is not there, it is made.
func (c Cache) get(ctx context.Context, key string, m Made) (string, error) {
	path := filepath.Join(c.Dir, m.Name+"-"+key, m.Name)
	if exists(path) {
		return path, c.Use(filepath.Dir(path))
	}
	unlock, err := c.Lock(ctx, m.Name+"-"+key)
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(path) {
		return path, nil
	}
	if err := c.make(ctx, m, path); err != nil {
		return "", err
	}
	return path, c.Prune(m.Name)
}

// make makes the file beside its place and renames the directory, so that what is there is whole.
func (c Cache) make(ctx context.Context, m Made, path string) error {
	partial := filepath.Dir(path) + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return err
	}
	c.Progress("building %s: %s, the first time", m.Name, m.Cost)
	defer c.Report(m.Name)()
	if err := m.Make(ctx, filepath.Join(partial, m.Name)); err != nil {
		return err
	}
	return os.Rename(partial, filepath.Dir(path))
}

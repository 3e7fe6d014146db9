// Package artifact builds the programs that a lab runs, once: what takes long is kept outside the work tree, by the content of what
// it was built from. It does not download anything but what `go build` does.
package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Artifact is one program, or one directory of them, built by `go build`.
type Artifact struct {
	// Name is the file's or directory's in the cache.
	Name string
	// Module is the directory of its Go module.
	Module string
	// Args follow `go build -o OUTPUT`: flags and packages.
	Args []string
	// Directory says that there are several programs, and that Path is of a directory.
	Directory bool
	// Cost is what to expect where nothing is cached, for people; empty where it is not worth a word.
	Cost string
}

// Cache is a directory of artifacts.
type Cache struct {
	// Dir is $WARREN_CACHE, or warren in the user's cache directory.
	Dir string
	// Progress gets lines for people about what takes long.
	Progress func(format string, args ...any)
}

// DefaultDir is where artifacts are kept: $WARREN_CACHE, or ~/.cache/warren.
func DefaultDir() (string, error) {
	if dir := os.Getenv("WARREN_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory (set WARREN_CACHE): %w", err)
	}
	return filepath.Join(dir, "warren"), nil
}

// Get is the path of the artifact, which is built where the cache does not have it. Several processes may ask at once: one builds.
func (c Cache) Get(ctx context.Context, a Artifact) (string, error) {
	key, err := a.key(ctx)
	if err != nil {
		return "", fmt.Errorf("hash the sources of %s: %w", a.Name, err)
	}
	path := filepath.Join(c.Dir, a.Name+"-"+key, a.Name)
	if exists(path) {
		return path, nil
	}
	unlock, err := c.lock(ctx, a.Name+"-"+key)
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(path) {
		return path, nil
	}
	return path, c.build(ctx, a, path)
}

// build makes the artifact beside its place and renames the directory, so that what is there is whole.
func (c Cache) build(ctx context.Context, a Artifact, path string) error {
	partial := filepath.Dir(path) + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	output := filepath.Join(partial, a.Name)
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return err
	}
	if a.Directory {
		output += string(filepath.Separator)
	}
	defer c.report(a)()
	if err := Build(ctx, a.Module, output, a.Args...); err != nil {
		return err
	}
	return os.Rename(partial, filepath.Dir(path))
}

// report tells people that a build goes on, now and every half minute until the function that it returns is called.
func (c Cache) report(a Artifact) (done func()) {
	if a.Cost == "" {
		return func() {}
	}
	begin, stop, stopped := time.Now(), make(chan struct{}), make(chan struct{})
	c.Progress("building %s: %s the first time", a.Name, a.Cost)
	go func() {
		defer close(stopped)
		tick := time.NewTicker(30 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.Progress("building %s: %v so far", a.Name, time.Since(begin).Round(time.Second))
			case <-stop:
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		c.Progress("built %s in %v", a.Name, time.Since(begin).Round(time.Second))
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

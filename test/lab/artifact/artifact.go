// Package artifact builds the programs that a lab runs, once: what takes long is kept outside the work tree, by the
// content of what it was built from. It does not download anything but what `go build` does.
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
	// Test says that it is a test binary: `go test -c`.
	Test bool
	// Directory says that there are several programs, and that Path is of a directory.
	Directory bool
	// Cost is what to expect where nothing is cached, for people.
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

// Get is the path of the artifact, which is built where the cache does not have it. Several processes may ask at once:
// one builds.
func (c Cache) Get(ctx context.Context, a Artifact) (string, error) {
	key, err := a.key(ctx)
	if err != nil {
		return "", fmt.Errorf("hash the sources of %s: %w", a.Name, err)
	}
	return c.get(ctx, key, Made{Name: a.Name, Cost: a.Cost, Make: a.build})
}

func (a Artifact) build(ctx context.Context, output string) error {
	if a.Directory {
		output += string(filepath.Separator)
	}
	if a.Test {
		// vet would read all of what others wrote, after the linker is done.
		return run(ctx, a.Module, append([]string{"test", "-c", "-vet=off", "-o", output}, a.Args...))
	}
	return build(ctx, a.Module, output, a.Args...)
}

// heartbeat is how often people hear that something still goes on.
const heartbeat = 15 * time.Second

// Report tells people that a build goes on, every quarter of a minute until done is called, and then how long it took
// where that was long enough to wonder.
func (c Cache) Report(name string) (done func()) {
	begin, stop, stopped := time.Now(), make(chan struct{}), make(chan struct{})
	took := func() time.Duration { return time.Since(begin).Round(time.Second) }
	go func() {
		defer close(stopped)
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.Progress("building %s: %v so far", name, took())
			case <-stop:
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		if took() >= heartbeat {
			c.Progress("built %s in %v", name, took())
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

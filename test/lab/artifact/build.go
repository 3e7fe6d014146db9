package artifact

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Fresh builds one of the module's own programs, or test binaries, as its sources are now, and copies it to path. What
// go builds stays in the cache, where go finds that it is up to date and does not link it again. With an overlay it
// does not stay.
func (c Cache) Fresh(ctx context.Context, a Artifact, path string) error {
	unlock, err := c.Lock(ctx, a.Name)
	if err != nil {
		return err
	}
	defer unlock()
	defer c.Report(a.Name)()
	if theOverlay() != "" {
		return a.build(ctx, path)
	}
	latest := filepath.Join(c.Dir, "latest", a.Name)
	if err := a.build(ctx, latest); err != nil {
		return err
	}
	return duplicate(ctx, latest, path)
}

// duplicate leaves the writing to a process of its own: a program that this one writes may still be open in a child of
// some other thread, between its fork and its exec, and cannot be executed then ("text file busy").
func duplicate(ctx context.Context, from, to string) error {
	if out, err := exec.CommandContext(ctx, "cp", "--no-clobber", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	return nil
}

// build runs `go build -o output args` in the module. A trailing separator in output makes a directory of programs.
func build(ctx context.Context, module, output string, args ...string) error {
	return run(ctx, module, append([]string{"build", "-o", output}, args...))
}

func run(ctx context.Context, module string, args []string) error {
	if out, err := command(ctx, module, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), module, err, out)
	}
	return nil
}

// Source returns the directory of a package's sources, of the artifact's module or of one that it requires, which is
// downloaded if the machine lacks it.
func (a Artifact) Source(ctx context.Context, pkg string) (string, error) {
	out, err := command(ctx, a.Module, "list", "-find", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		return "", fmt.Errorf("find the sources of %s: %w", pkg, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// command is the go command in a module's own right: nested modules are no part of any workspace, and nothing built
// needs C. Of the caller's GOFLAGS only the overlay stays.
func command(ctx context.Context, module string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = module
	// The compiler's memory is no concern, and its collector takes a fifth of the time.
	c.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly"+theOverlay().flags(),
		"GOGC=800")
	return c
}

// Lock takes the advisory lock of this name; it goes with the process that holds it.
func (c Cache) Lock(ctx context.Context, name string) (unlock func(), err error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := c.flock(ctx, f, name); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

func (c Cache) flock(ctx context.Context, f *os.File, name string) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != unix.EWOULDBLOCK {
		return err
	}
	c.Progress("waiting for another process that builds %s", name)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for err == unix.EWOULDBLOCK {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		}
	}
	return err
}

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

// Build runs `go build -o output args` in the module: for what changes often, where Go's own cache is the best one.
// A trailing separator in output makes a directory of programs.
func Build(ctx context.Context, module, output string, args ...string) error {
	args = append([]string{"build", "-o", output}, args...)
	build := command(ctx, module, args...)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), module, err, out)
	}
	return nil
}

// command is the go command in a module's own right: nested modules are no part of any workspace, and nothing built needs C.
func command(ctx context.Context, module string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = module
	c.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	return c
}

// lock takes the advisory lock of this name; it goes with the process that holds it.
func (c Cache) lock(ctx context.Context, name string) (unlock func(), err error) {
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

package host

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"warren.mesh/test/lab/tb"
)

// Command is what to run on a host until it ends.
type Command struct {
	// Path is looked up in PATH unless it has a slash.
	Path string
	Args []string
	// Input is its standard input.
	Input string
}

// Exec runs a command in all namespaces of the host (of a pod: its network namespace, the node's others) and returns
// standard output and error together. The error holds them too.
func (h *Host) Exec(name string, args ...string) (string, error) {
	return h.ExecContext(context.Background(), name, args...)
}

// ExecContext is Exec until ctx ends.
func (h *Host) ExecContext(ctx context.Context, name string, args ...string) (string, error) {
	var out bytes.Buffer
	err := h.run(ctx, Command{Path: name, Args: args}, &out, &out)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, &out)
	}
	return out.String(), err
}

// MustExec is Exec for setting a scene.
func (h *Host) MustExec(t tb.TB, name string, args ...string) string {
	t.Helper()
	out, err := h.Exec(name, args...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return out
}

// Output runs a command and returns its standard output; the error holds its standard error.
func (h *Host) Output(ctx context.Context, c Command) (string, error) {
	var stdout, stderr bytes.Buffer
	err := h.run(ctx, c, &stdout, &stderr)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, &stderr)
	}
	return stdout.String(), err
}

// run starts c in the host's namespaces and waits for its end.
func (h *Host) run(ctx context.Context, c Command, stdout, stderr io.Writer) error {
	set, err := h.namespaces()
	if err != nil {
		return err
	}
	child := exec.CommandContext(ctx, c.Path, c.Args...)
	child.Stdin, child.Stdout, child.Stderr = strings.NewReader(c.Input), stdout, stderr
	child.Env, child.Dir = environment, "/"
	if err = set.Start(child); err == nil {
		err = child.Wait()
	}
	if err != nil {
		return fmt.Errorf("on %s: %s %s: %w", h.Name, c.Path, strings.Join(c.Args, " "), err)
	}
	return nil
}

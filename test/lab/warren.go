package lab

import (
	"context"
	"errors"
	"os/exec"

	"warren.mesh/test/lab/host"
)

// Warren runs a subcommand of warren on the node until it ends, and returns its standard output and its exit status.
func (n *Node) Warren(t TB, args ...string) (stdout string, code int) {
	t.Helper()
	warren, err := n.lab.programs.Warren(context.Background())
	if err != nil {
		t.Fatalf("%v", err)
	}
	stdout, err = n.Output(context.Background(), host.Command{Path: warren, Args: args})
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v", err)
	}
	if exit != nil {
		t.Logf("%v", err)
		return stdout, exit.ExitCode()
	}
	return stdout, 0
}

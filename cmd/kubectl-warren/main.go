// Command kubectl-warren is kubectl's plugin for operators of a mesh: `kubectl warren`. It reads clusters and files,
// never the machine that it runs on, and builds on every operating system that kubectl does.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"warren.mesh/mesh/view"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code, err := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kubectl warren: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	os.Exit(code)
}

// run executes one command and returns its exit status, and an error that is yet to be told.
func run(ctx context.Context, args []string, io streams) (code int, err error) {
	root := newRoot(&code)
	root.SetArgs(args)
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	code = view.ExitUsage // of errors before a command begins
	err = root.ExecuteContext(ctx)
	return code, err
}

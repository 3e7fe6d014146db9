// Command kubectl-warren is kubectl's plugin for operators of a mesh: `kubectl warren`. It reads clusters and files,
// never the machine that it runs on, and builds on every operating system that kubectl does.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"

	"k8s.io/klog/v2"

	"warren.mesh/mesh/view"
)

// garbagePercent is GOGC: of a large cluster nearly all that is read is garbage at once.
const garbagePercent = 50

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code, err := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	if err != nil {
		view.NewLines(os.Stderr).Add("kubectl warren: %v", err)
	}
	os.Exit(code)
}

// run executes one command and returns its exit status, and an error that is yet to be told.
func run(ctx context.Context, args []string, io streams) (code int, err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	klog.SetSlogLogger(slog.New(slog.DiscardHandler)) // what fails is in errors, which say which node it is of
	root := newRoot(&code)
	root.SetArgs(args)
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	code = view.ExitUsage // of errors before a command begins
	err = root.ExecuteContext(ctx)
	return code, err
}

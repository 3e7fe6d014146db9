// Command warren is the program that runs on the nodes of an encrypted mesh for Kubernetes. Its subcommands turn flags
// and environment into configuration and connect the packages that do the work; they decide nothing themselves.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"warren.mesh/mesh/view"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	code, tell := exitCode(err)
	if tell {
		view.NewLines(os.Stderr).Add("warren: %v", err)
	}
	os.Exit(code)
}

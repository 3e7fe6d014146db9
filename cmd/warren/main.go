// Command warren is the program that runs on the nodes of an encrypted mesh for Kubernetes. Its subcommands turn flags
// and environment into configuration and connect the packages that do the work; they decide nothing themselves.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	code, tell := exitCode(err)
	if tell {
		fmt.Fprintln(os.Stderr, "warren: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	os.Exit(code)
}

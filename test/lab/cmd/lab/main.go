// Command lab runs a cluster of network namespaces on this machine: the demonstration, and what tests use inside of the
// namespaces.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"warren.mesh/test/lab/inside"
)

func main() {
	root := &cobra.Command{
		Use: "lab", Short: "A cluster of network namespaces on this machine",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(newBuild(), newDemo(), newDown(), newExec(), newInit(), newMake(), newAttach(), newCheck(),
		newDetach(), newRelay())
	err := root.ExecuteContext(context.Background())
	// What `lab exec` ran has said itself what went wrong.
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

// newInit, newMake, newAttach, newCheck, newDetach and newRelay are for the lab package, which passes JSON.

func newInit() *cobra.Command {
	return hidden("init", func(_ context.Context,
		m inside.Machine) error {
		return inside.Init(m, os.Stdin, os.Stdout)
	})
}

func newAttach() *cobra.Command {
	return hidden("attach", func(ctx context.Context, p inside.Pod) error {
		attached, err := p.Attach(ctx)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(attached)
	})
}

func newMake() *cobra.Command {
	return hidden("make", func(_ context.Context, p inside.Pod) error { return p.Make() })
}

func newCheck() *cobra.Command {
	return hidden("check", func(ctx context.Context, p inside.Pod) error { return p.Check(ctx) })
}

func newDetach() *cobra.Command {
	return hidden("detach", func(ctx context.Context, p inside.Pod) error { return p.Detach(ctx) })
}

func newRelay() *cobra.Command {
	return hidden("relay", func(ctx context.Context, r inside.Relay) error { return r.Serve(ctx) })
}

func hidden[T any](name string, run func(context.Context, T) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " JSON", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var argument T
			if err := json.Unmarshal([]byte(args[0]), &argument); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return run(cmd.Context(), argument)
		},
	}
}

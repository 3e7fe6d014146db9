package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/programs"
)

func newBuild() *cobra.Command {
	var links string
	cmd := &cobra.Command{
		Use: "build", Short: "Build what a lab needs and the cache does not have",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			progress := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
			return programs.Build(cmd.Context(), programs.Request{Progress: progress}, links)
		},
	}
	cmd.Flags().StringVar(&links, "links", "", "directory that gets links to etcd and kube-apiserver")
	return cmd
}

func newDown() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "down", Short: "End a lab that was kept, or was left by a crash",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return lab.Down(name) },
	}
	cmd.Flags().StringVar(&name, "name", demoName, "the lab's")
	return cmd
}

func newExec() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "exec MACHINE COMMAND [ARGUMENT]...",
		Short: "Run a command on a machine of a lab: node1, control, outside",
		Args:  cobra.MinimumNArgs(2),
		RunE:  func(_ *cobra.Command, args []string) error { return lab.Enter(name, args[0], args[1:]) },
	}
	cmd.Flags().StringVar(&name, "name", demoName, "the lab's")
	cmd.Flags().SetInterspersed(false)
	return cmd
}

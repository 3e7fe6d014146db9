package main

import (
	"io"

	"github.com/spf13/cobra"

	"warren.mesh/mesh/view"
)

// streams are those of the process.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// release is the version that the linker writes into the programs of a release (-X main.release=…); else it is empty.
var release string

// newRoot returns the command line. Commands set code to their exit status.
func newRoot(code *int) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-warren",
		Short: "Look at an encrypted mesh of nodes",
		Long: "Look at an encrypted mesh of nodes.\n\nExit status: 0 all is well, 1 a finding, 2 wrong usage, " +
			"3 something could not be told.",
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl warren"},
		// cobra adds --version if there is one.
		Version:       release,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			*code = view.ExitWell
			return cmd.Help()
		},
	}
	root.AddCommand(newStatus(code), newPeers(code), newPing(code), newDoctor(code), newExplain(code), newGraph(code),
		newBugReport(code), newPlan(code))
	return root
}

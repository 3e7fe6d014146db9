package main

import (
	"github.com/spf13/cobra"
)

// newRoot returns the command line. Values come from flags, or else from the environment: see bindEnvironment.
func newRoot() *cobra.Command {
	var log logging
	root := &cobra.Command{
		Use:   "warren",
		Short: "WireGuard-encrypted mesh network for Kubernetes",
		Long: "WireGuard-encrypted mesh network for Kubernetes.\n\n" +
			"An environment variable can set each flag, too: WARREN_CLUSTER_CIDRS sets --cluster-cidrs, and so on.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return usage(bindEnvironment(cmd.Flags()))
		},
	}
	log.addFlags(root.PersistentFlags())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(newDaemon(&log), newWireguard(&log), newInstallCNI(&log), newUninstall(&log), newVersion(),
		newStatus(), newPeers(), newPing(), newDoctor(), newExplain(), newBugReport())
	return root
}

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
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return bindEnvironment(cmd.Flags())
		},
	}
	log.addFlags(root.PersistentFlags())
	root.AddCommand(newDaemon(&log), newWireguard(&log), newInstallCNI(&log), newUninstall(&log), newVersion())
	return root
}

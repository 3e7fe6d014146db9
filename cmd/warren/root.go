package main

import (
	"github.com/spf13/cobra"
)

// newRoot is the command line. Values come from flags or else the environment; see bindEnvironment.
func newRoot() *cobra.Command {
	var log logging
	root := &cobra.Command{
		Use:           "warren",
		Short:         "WireGuard-encrypted mesh network for Kubernetes",
		Long:          "WireGuard-encrypted mesh network for Kubernetes.\n\nEvery flag may also be given by environment: --cluster-cidrs as WARREN_CLUSTER_CIDRS, and so on.",
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

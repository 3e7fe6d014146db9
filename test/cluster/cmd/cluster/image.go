package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"warren.mesh/test/cluster"
)

func newImage() *cobra.Command {
	return &cobra.Command{
		Use: "image", Short: "Build warren's image and list what it holds",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cluster.DescribeImage(cmd.Context(), cmd.OutOrStdout(), progress)
		},
	}
}

func newBuild() *cobra.Command {
	return &cobra.Command{
		Use: "build", Short: "Build what a cluster and its tests need and the cache does not have",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cluster.Build(cmd.Context(), progress) },
	}
}

func progress(format string, args ...any) { fmt.Printf(format+"\n", args...) }

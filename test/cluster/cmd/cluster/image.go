package main

import (
	"fmt"
	"strconv"
	"time"

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

func newReleaseImage() *cobra.Command {
	return &cobra.Command{
		Use:   "release-image VERSION SECONDS FILE",
		Short: "Write warren's image of a version and a Unix time as an OCI archive, and print its digest",
		Args:  cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			seconds, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return fmt.Errorf("%q: want seconds since 1970: %w", args[1], err)
			}
			digest, err := cluster.ReleaseImage(cmd.Context(), args[0], args[2], time.Unix(seconds, 0),
				func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) })
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), digest)
			}
			return err
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

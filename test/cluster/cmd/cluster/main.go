// Command cluster runs a Kubernetes cluster of network namespaces on this machine: real kubelets, containerd,
// kube-proxy and CoreDNS, and no CNI plugin.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use: "cluster", Short: "A Kubernetes cluster of network namespaces on this machine",
		SilenceUsage: true, SilenceErrors: true,
	}
	name := root.PersistentFlags().String("name", defaultName, "tells clusters apart")
	root.AddCommand(newUp(name), newDown(name), newExec(name), newConform(name), newImage(),
		newReleaseImage(), newBuild())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		stop()
		os.Exit(1)
	}
}

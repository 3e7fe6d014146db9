package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"warren.mesh/test/cluster"
	"warren.mesh/test/lab"
)

// defaultName is the name of the cluster that `make cluster` starts.
const defaultName = "cluster"

func newUp(name *string) *cobra.Command {
	o := cluster.Options{Keep: true}
	var family, proxy string
	cmd := &cobra.Command{
		Use: "up", Short: "Start a cluster, in the place of one that runs, and leave it running",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			o.Name = *name
			if o.Family, err = parseFamily(family); err != nil {
				return err
			}
			if o.Proxy, err = parseProxy(proxy); err != nil {
				return err
			}
			return run(cmd.Context(), func(t *terminal) { up(t, o) })
		},
	}
	cmd.Flags().IntVar(&o.Nodes, "nodes", 2, "how many nodes")
	cmd.Flags().StringVar(&family, "family", "ipv4", "ipv4, ipv6 or dual")
	cmd.Flags().StringVar(&proxy, "proxy", "nftables", "kube-proxy's mode: nftables or iptables")
	return cmd
}

func up(t *terminal, o cluster.Options) {
	c := cluster.Start(t, o)
	fmt.Printf("\n%s\n", c.Kubectl(t, "", "get", "nodes", "-o", "wide"))
	fmt.Printf("The nodes are not ready: they have no network. To install warren, run\n\n%s", c.Commands(t))
}

func parseFamily(text string) (lab.Family, error) {
	families := []lab.Family{lab.IPv4, lab.IPv6, lab.Dual}
	i := slices.IndexFunc(families, func(f lab.Family) bool { return f.String() == text })
	if i < 0 {
		return 0, fmt.Errorf("no family %q: ipv4, ipv6 or dual", text)
	}
	return families[i], nil
}

func parseProxy(text string) (cluster.Proxy, error) {
	proxy := cluster.Proxy(text)
	if proxy != cluster.NFTables && proxy != cluster.IPTables {
		return "", fmt.Errorf("no proxy mode %q: nftables or iptables", text)
	}
	return proxy, nil
}

func newDown(name *string) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End the cluster",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return lab.Down(*name) },
	}
}

func newExec(name *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec MACHINE COMMAND [ARGUMENT]...",
		Short: "Run a command on a machine of the cluster: node1, control, outside",
		Args:  cobra.MinimumNArgs(2),
		RunE:  func(_ *cobra.Command, args []string) error { return lab.Enter(*name, args[0], args[1:]) },
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func newConform(name *string) *cobra.Command {
	var s cluster.Specs
	cmd := &cobra.Command{
		Use: "conform FOCUS", Short: "Run those of Kubernetes' own tests whose names match a regular expression",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Focus = args[0]
			return cluster.Conform(cmd.Context(), *name, s, progress)
		},
	}
	cmd.Flags().StringVar(&s.Skip, "skip", "", "but not those that match this")
	cmd.Flags().IntVar(&s.Processes, "procs", 1, "how many run at once")
	return cmd
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"warren.mesh/cni"
	"warren.mesh/mesh"
	"warren.mesh/mesh/kube"
	"warren.mesh/mesh/linux"
)

// nodeOptions say which Node this is and how to reach its API server.
type nodeOptions struct{ name, kubeconfig string }

func (o *nodeOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.name, "node-name", "", "name of the own Node object; also from NODE_NAME")
	_ = flags.SetAnnotation("node-name", aliases, []string{"NODE_NAME"})
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file; without it, the ServiceAccount of the pod")
}

// cluster prepares the connection to the API server, without using it.
func (o *nodeOptions) cluster(changed func()) (*kube.Cluster, error) {
	config, err := o.rest()
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	config.UserAgent = "warren/" + version()
	return kube.New(kube.Config{REST: config, NodeName: o.name, Changed: changed})
}

func (o *nodeOptions) rest() (*rest.Config, error) {
	if o.kubeconfig != "" {
		return clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("not in a pod (%w): give --kubeconfig", err)
	}
	return config, nil
}

// addModeFlag adds --wireguard.
func addModeFlag(flags *pflag.FlagSet, mode *linux.Mode) {
	*mode = linux.Auto
	flags.Var(value[linux.Mode]{mode, linux.ParseMode, func(m linux.Mode) string { return string(m) }, "mode"},
		"wireguard", "auto, kernel or userspace: where the WireGuard device comes from; userspace needs a process of the subcommand wireguard")
}

// addCNIFlags adds the two directories of the CNI configuration.
func addCNIFlags(flags *pflag.FlagSet, c *cni.Configuration) {
	c.Bridge = mesh.Defaults().Bridge
	flags.StringVar(&c.ConfDir, "cni-conf-dir", "/etc/cni/net.d", "where the container runtime looks for CNI configurations")
	flags.StringVar(&c.RunDir, "run-dir", "/run/warren", "directory on tmpfs, the same path here and for the container runtime")
}

// addPluginsFlag adds the directory of the CNI plugins.
func addPluginsFlag(flags *pflag.FlagSet, p *cni.Plugins) {
	flags.StringVar(&p.To, "cni-bin-dir", "/opt/cni/bin", "where the container runtime looks for CNI plugins")
}

// addMTUFlag adds --mtu.
func addMTUFlag(flags *pflag.FlagSet, mtu *int) {
	flags.IntVar(mtu, "mtu", 0, "of mesh and pods, in bytes; 0 follows the underlay's, less 80")
}

// command is a subcommand without arguments.
func command(use, short, long string, run func(cmd *cobra.Command) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: short + ".\n\n" + long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd) },
	}
}

package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"warren.mesh/cni"
	"warren.mesh/mesh"
	"warren.mesh/mesh/kube"
	"warren.mesh/mesh/linux"
)

// nodeOptions says which Node this is and how to reach the API server.
type nodeOptions struct{ name, kubeconfig string }

func (o *nodeOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.name, "node-name", "", "name of this node's Node object; also read from NODE_NAME")
	_ = flags.SetAnnotation("node-name", aliases, []string{"NODE_NAME"})
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file; if empty, the ServiceAccount of the pod is used")
}

// serversFile returns the file in the run directory in which the API server's addresses are kept.
func serversFile(c cni.Configuration) string { return filepath.Join(c.RunDir, "apiservers") }

// stateSocket returns the socket in the run directory on which the daemon tells its state.
func stateSocket(c cni.Configuration) string { return filepath.Join(c.RunDir, "warren.sock") }

// cluster prepares the connection to the API server, without connecting. The rest of config comes from the options.
func (o *nodeOptions) cluster(config kube.Config) (*kube.Cluster, error) {
	server, err := o.rest()
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	server.UserAgent = "warren/" + version()
	config.REST, config.NodeName = server, o.name
	return kube.New(config)
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
		"wireguard", "WireGuard device to use: auto, kernel or userspace; userspace needs a running `warren wireguard`")
}

// addCNIFlags adds --cni-conf-dir and --run-dir.
func addCNIFlags(flags *pflag.FlagSet, c *cni.Configuration) {
	c.Bridge = mesh.Defaults().Bridge
	c.CacheDir = "/var/lib/cni"
	flags.StringVar(&c.ConfDir, "cni-conf-dir", "/etc/cni/net.d",
		"directory in which the container runtime looks for CNI configurations")
	flags.StringVar(&c.RunDir, runDirFlag, "/run/warren",
		"directory on tmpfs for what must not outlive a reboot; the container runtime must see it at the same path")
}

// addPluginsFlag adds --cni-bin-dir.
func addPluginsFlag(flags *pflag.FlagSet, p *cni.Plugins) {
	flags.StringVar(&p.To, "cni-bin-dir", "/opt/cni/bin",
		"directory in which the container runtime looks for CNI plugins")
}

// addSourceFlag adds --cni-plugins.
func addSourceFlag(flags *pflag.FlagSet, p *cni.Plugins, usage string) {
	flags.StringVar(&p.From, "cni-plugins", besideBinary("cni"), usage)
}

// addMTUFlag adds --mtu.
func addMTUFlag(flags *pflag.FlagSet, mtu *int) {
	flags.IntVar(mtu, "mtu", 0, "MTU of mesh and pods in bytes; 0 for the underlay's MTU minus 80")
}

// command returns a subcommand without arguments.
func command(use, short, long string, run func(cmd *cobra.Command) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: short + ".\n\n" + long, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd) },
	}
}

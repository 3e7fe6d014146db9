package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warren.mesh/mesh"
	"warren.mesh/mesh/plan"
	"warren.mesh/mesh/view"
)

// planOptions are the flags of plan.
type planOptions struct {
	file   string
	node   string
	output string
	cidrs  struct{ cluster, node, plain []string }
	mesh   mesh.Config
}

func newPlan(code *int) *cobra.Command {
	o := planOptions{mesh: mesh.Defaults()}
	cmd := &cobra.Command{
		Use:   "plan -f NODES.yaml",
		Short: "Say what every node would look like, from a file of Nodes",
		Long: "Say what every node would look like, from a file of Nodes: `kubectl get nodes -o yaml`, or Nodes that " +
			"are yet to be. Nothing is read from a cluster. Give the flags that the daemons have.\n\nA Node that " +
			"announces nothing is taken to announce what its daemon would, with a key that stands in for the one " +
			"that it will make.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := o.parse()
			if err != nil {
				return err
			}
			*code = view.ExitUnknown
			hosts, err := o.compute(cmd.InOrStdin())
			if errors.Is(err, errUsage) {
				*code = view.ExitUsage
			}
			if err != nil {
				return err
			}
			*code = view.ExitPlan(hosts)
			return view.WritePlan(cmd.OutOrStdout(), format, hosts)
		},
	}
	o.addFlags(cmd.Flags())
	_ = cmd.MarkFlagRequired("filename")
	return cmd
}

func (o *planOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.file, "filename", "f", "", "file of Nodes in YAML or JSON; - reads standard input")
	flags.StringVar(&o.node, "node", "", "only this node")
	flags.StringVarP(&o.output, "output", "o", string(view.Text), "text, json, yaml or name")
	flags.StringSliceVar(&o.cidrs.cluster, "cluster-cidrs", nil, "the daemons' --cluster-cidrs")
	flags.StringSliceVar(&o.cidrs.node, "node-cidrs", nil, "the daemons' --node-cidrs")
	flags.StringSliceVar(&o.cidrs.plain, "plain-from", nil, "the daemons' --plain-from")
	flags.IntVar(&o.mesh.MTU, "mtu", o.mesh.MTU, "MTU of the mesh in bytes: the underlay's less 80")
	flags.Uint16Var(&o.mesh.Port, "port", o.mesh.Port, "the daemons' --port")
}

// parse reads what cobra has not.
func (o *planOptions) parse() (view.Format, error) {
	for _, list := range []struct {
		texts  []string
		target *[]netip.Prefix
		flag   string
	}{
		{o.cidrs.cluster, &o.mesh.ClusterCIDRs, "cluster-cidrs"},
		{o.cidrs.node, &o.mesh.NodeCIDRs, "node-cidrs"},
		{o.cidrs.plain, &o.mesh.PlainFrom, "plain-from"},
	} {
		for _, text := range list.texts {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				return "", fmt.Errorf("--%s: %q is not a CIDR such as 10.244.0.0/16", list.flag, text)
			}
			*list.target = append(*list.target, prefix)
		}
	}
	if err := o.mesh.Validate(); err != nil {
		return "", err
	}
	return view.ParseFormat(o.output)
}

func (o *planOptions) compute(stdin io.Reader) ([]plan.Host, error) {
	in := stdin
	if o.file != "-" {
		file, err := os.Open(o.file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	members, err := readNodes(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.file, err)
	}
	hosts := plan.Compute(o.mesh, members)
	if o.node == "" {
		return hosts, nil
	}
	for _, h := range hosts {
		if h.Node == o.node {
			return []plan.Host{h}, nil
		}
	}
	return nil, usage(fmt.Errorf("%s has no Node %s", o.file, o.node))
}

package main

import (
	"context"
	"fmt"
	"net"

	"github.com/spf13/cobra"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubernetes/pkg/controller/nodeipam"
	"k8s.io/kubernetes/pkg/controller/nodeipam/ipam"
)

// nodeIPAM is kube-controller-manager's controller that gives Nodes their pod CIDRs, alone. The flags are that
// command's.
type nodeIPAM struct {
	kubeconfig string
	// clusterCIDRs and serviceCIDRs have at most one range of each family, maskSizes one for each cluster CIDR.
	clusterCIDRs, serviceCIDRs []net.IPNet
	maskSizes                  []int
}

func newNodeIPAM() *cobra.Command {
	var n nodeIPAM
	cmd := &cobra.Command{
		Use: "node-ipam-controller", Short: "Give Nodes their pod CIDRs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return n.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&n.kubeconfig, "kubeconfig", "", "path of the controller's kubeconfig")
	flags.IPNetSliceVar(&n.clusterCIDRs, "cluster-cidr", nil, "ranges that pod CIDRs come from, one a family")
	flags.IPNetSliceVar(&n.serviceCIDRs, "service-cluster-ip-range", nil, "ranges of Services, one a family")
	flags.IntSliceVar(&n.maskSizes, "node-cidr-mask-size", nil, "lengths of pod CIDRs, one for each cluster CIDR")
	return cmd
}

func (n nodeIPAM) run(ctx context.Context) error {
	if len(n.clusterCIDRs) == 0 || len(n.clusterCIDRs) != len(n.maskSizes) {
		return fmt.Errorf("%d --cluster-cidr and %d --node-cidr-mask-size: give one for each family",
			len(n.clusterCIDRs), len(n.maskSizes))
	}
	config, err := clientcmd.BuildConfigFromFlags("", n.kubeconfig)
	if err != nil {
		return err
	}
	// Thousands of Nodes join at once in tests of scale.
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	service := append(pointers(n.serviceCIDRs), nil, nil)
	controller, err := nodeipam.NewNodeIpamController(ctx, factory.Core().V1().Nodes(), nil, client,
		pointers(n.clusterCIDRs), service[0], service[1], n.maskSizes, ipam.RangeAllocatorType)
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	controller.Run(ctx)
	return nil
}

func pointers(nets []net.IPNet) []*net.IPNet {
	var all []*net.IPNet
	for i := range nets {
		all = append(all, &nets[i])
	}
	return all
}

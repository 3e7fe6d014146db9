// Command control is the part of Kubernetes that every lab runs, in one binary: the name it is called by (its argv[0])
// says whether that is kube-apiserver, kubectl or node-ipam-controller. Kubelet, scheduler, kube-proxy and the other
// controllers would make it a fifth larger to build.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kubectl":
		kubectlutil.CheckErr(cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()))
	case "node-ipam-controller":
		os.Exit(cli.Run(newNodeIPAM()))
	default:
		fmt.Fprintf(os.Stderr, "control: no component is called %q; link this binary to kube-apiserver, kubectl or "+
			"node-ipam-controller\n", name)
		os.Exit(2)
	}
}

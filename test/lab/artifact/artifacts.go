package artifact

import (
	"path/filepath"
	"strings"
)

// The programs of a lab that are not warren's own; root is the directory of warren's module.

const kubernetesVersion = "v1.37.2"

// Control is kube-apiserver, kubectl and the controller that gives Nodes their pod CIDRs: all of Kubernetes that a lab
// without kubelets runs. The name that it is called by chooses.
func Control(root string) Artifact {
	return Artifact{
		Name: "control", Args: append(kubernetesFlags(), "./control"),
		Cost: "kube-apiserver " + kubernetesVersion + ", 2 to 8 minutes on two cores",
	}.in(root, "test/kube")
}

// Kubernetes is the rest of it, for clusters with kubelets. The name that it is called by chooses.
func Kubernetes(root string) Artifact {
	return Artifact{
		Name: "kube", Args: append(kubernetesFlags(), "."),
		Cost: "kubelet " + kubernetesVersion + " and others, about a minute on two cores",
	}.in(root, "test/kube")
}

// kubernetesFlags set the version as its own build does: components compare versions.
func kubernetesFlags() []string {
	const major, minor = "1", "37"
	const component, client = "k8s.io/component-base/version", "k8s.io/client-go/pkg/version"
	ldflags := strings.Join([]string{"-s -w",
		"-X", component + ".gitVersion=" + kubernetesVersion, "-X", component + ".gitMajor=" + major, "-X", component +
			".gitMinor=" + minor,
		"-X", component + ".gitTreeState=clean", "-X", client + ".gitVersion=" + kubernetesVersion,
	}, " ")
	return []string{"-trimpath", "-ldflags", ldflags}
}

// Conformance is upstream's test binary, all of Kubernetes' end-to-end tests.
func Conformance(root string) Artifact {
	return Artifact{
		Name: "e2e.test", Args: append(kubernetesFlags(), "k8s.io/kubernetes/test/e2e"),
		Test: true, Cost: "Kubernetes' own tests, about 4 minutes on two cores where Kubernetes was built before",
	}.in(root, "test/conformance")
}

// Ginkgo runs such a binary in several processes.
func Ginkgo(root string) Artifact {
	return Artifact{
		Name: "ginkgo", Args: stripped("github.com/onsi/ginkgo/v2/ginkgo"),
		Cost: "some seconds",
	}.in(root, "test/conformance")
}

// Etcd is the server.
func Etcd(root string) Artifact {
	return Artifact{
		Name: "etcd", Args: stripped("go.etcd.io/etcd/server/v3"),
		Cost: "about a minute",
	}.in(root, "test/etcd")
}

// Containerd is a directory of containerd, its shim for runc and its client ctr, of a release that speaks CNI 1.1.
func Containerd(root string) Artifact {
	return Artifact{
		Name: "containerd", Args: stripped("tool"),
		Cost: "about a minute", Directory: true,
	}.in(root, "test/containerd")
}

// Plugins are the reference CNI plugins, all tools of their module.
func Plugins(root string) Artifact {
	return Artifact{
		Name: "plugins", Args: stripped("tool"),
		Cost: "the CNI plugins, about 20 seconds", Directory: true,
	}.in(root, "cni/plugins")
}

// Promtool tests alerts. It is built without the discovery of what to scrape, which is most of Prometheus.
func Promtool(root string) Artifact {
	return Artifact{
		Name: "promtool", Args: append([]string{"-tags", "remove_all_sd"},
			stripped("github.com/prometheus/prometheus/cmd/promtool")...),
		Cost: "Prometheus' tool, some minutes on two cores",
	}.in(root, "test/prometheus")
}

// Helm is its command, of the version whose packages test/helm renders the chart with.
func Helm(root string) Artifact {
	return Artifact{
		Name: "helm", Args: stripped("helm.sh/helm/v4/cmd/helm"),
		Cost: "Helm, some minutes on two cores",
	}.in(root, "test/helm")
}

// in is a with its module, by the directory below root.
func (a Artifact) in(root, dir string) Artifact {
	a.Module = filepath.Join(root, dir)
	return a
}

// stripped builds a package without its tables for debuggers.
func stripped(pkg string) []string { return []string{"-trimpath", "-ldflags", "-s -w", pkg} }

package artifact

import (
	"path/filepath"
	"strings"
)

// The programs of a lab that are not warren's own; root is the directory of warren's module.

const kubernetesVersion = "v1.37.2"

// Kubernetes is the multi-call binary of test/kube.
func Kubernetes(root string) Artifact {
	return Artifact{
		Name:   "kube",
		Module: filepath.Join(root, "test", "kube"),
		Args:   append(kubernetesFlags(), "."),
		Cost:   "Kubernetes " + kubernetesVersion + ", about 6 minutes on two cores",
	}
}

// kubernetesFlags set the version as its own build does: components compare versions.
func kubernetesFlags() []string {
	const major, minor = "1", "37"
	const component, client = "k8s.io/component-base/version", "k8s.io/client-go/pkg/version"
	ldflags := strings.Join([]string{"-s -w",
		"-X", component + ".gitVersion=" + kubernetesVersion, "-X", component + ".gitMajor=" + major, "-X", component + ".gitMinor=" + minor,
		"-X", component + ".gitTreeState=clean", "-X", client + ".gitVersion=" + kubernetesVersion,
	}, " ")
	return []string{"-trimpath", "-ldflags", ldflags}
}

// Conformance is upstream's test binary, all of Kubernetes' end-to-end tests.
func Conformance(root string) Artifact {
	return Artifact{
		Name:   "e2e.test",
		Module: filepath.Join(root, "test", "conformance"),
		Args:   append(kubernetesFlags(), "k8s.io/kubernetes/test/e2e"),
		Test:   true,
		Cost:   "Kubernetes' own tests, about 4 minutes on two cores where Kubernetes was built before",
	}
}

// Ginkgo runs such a binary in several processes.
func Ginkgo(root string) Artifact {
	return Artifact{
		Name:   "ginkgo",
		Module: filepath.Join(root, "test", "conformance"),
		Args:   []string{"-trimpath", "-ldflags", "-s -w", "github.com/onsi/ginkgo/v2/ginkgo"},
		Cost:   "some seconds",
	}
}

// Etcd is the server.
func Etcd(root string) Artifact {
	return Artifact{
		Name:   "etcd",
		Module: filepath.Join(root, "test", "etcd"),
		Args:   []string{"-trimpath", "-ldflags", "-s -w", "go.etcd.io/etcd/server/v3"},
		Cost:   "about a minute",
	}
}

// Plugins are the reference CNI plugins, all tools of their module.
func Plugins(root string) Artifact {
	return Artifact{
		Name:      "plugins",
		Module:    filepath.Join(root, "cni", "plugins"),
		Args:      []string{"-trimpath", "-ldflags", "-s -w", "tool"},
		Cost:      "the CNI plugins, about 20 seconds",
		Directory: true,
	}
}

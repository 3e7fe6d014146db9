package artifact

import (
	"path/filepath"
	"strings"
)

// The programs of a lab that are not warren's own; root is the directory of warren's module.

// Kubernetes is the multi-call binary of test/kube.
func Kubernetes(root string) Artifact {
	const version, major, minor = "v1.37.2", "1", "37"
	const component, client = "k8s.io/component-base/version", "k8s.io/client-go/pkg/version"
	ldflags := strings.Join([]string{"-s -w",
		"-X", component + ".gitVersion=" + version, "-X", component + ".gitMajor=" + major, "-X", component + ".gitMinor=" + minor,
		"-X", component + ".gitTreeState=clean", "-X", client + ".gitVersion=" + version,
	}, " ")
	return Artifact{
		Name:   "kube",
		Module: filepath.Join(root, "test", "kube"),
		Args:   []string{"-trimpath", "-ldflags", ldflags, "."},
		Cost:   "Kubernetes " + version + ", about 6 minutes on two cores",
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

package cluster

import (
	"fmt"
	"path/filepath"

	"warren.mesh/test/lab"
)

// Commands returns shell commands, one to a line, that reach the cluster from this machine, install warren for the
// cluster's address families and wait until its nodes are ready.
func (c *Cluster) Commands(t lab.TB) string {
	t.Helper()
	return c.Environment() + "\n" +
		"kubectl apply -k " + c.Manifests(t) + "\n" +
		"kubectl wait nodes --all --for=condition=Ready --timeout=" + patience.String() + "\n"
}

// Environment returns the shell command after which kubectl reaches the cluster from this machine.
func (c *Cluster) Environment() string {
	return fmt.Sprintf("export PATH=%s:$PATH KUBECONFIG=%s", filepath.Join(c.Dir, "bin"), c.Kubeconfig)
}

// Install applies the manifests with these settings and waits until warren is ready on every node, the nodes are, and
// CoreDNS.
func (c *Cluster) Install(t lab.TB, settings ...string) {
	t.Helper()
	c.Kubectl(t, "", "apply", "-k", c.Manifests(t, settings...))
	c.WaitReady(t)
}

// Manifests returns the directory to apply: warren's own for an IPv4 cluster, whose pod range they name, else an
// overlay of them with the cluster's pod ranges. Settings are lines of an overlay's ConfigMap, such as WARREN_MTU=1400.
func (c *Cluster) Manifests(t lab.TB, settings ...string) (dir string) {
	t.Helper()
	base := filepath.Join(c.Root(), "manifests")
	if c.options.Family == lab.IPv4 && len(settings) == 0 {
		return base
	}
	dir, err := c.overlay(base, append(settings, "WARREN_CLUSTER_CIDRS="+commas(c.ClusterCIDRs())))
	if err != nil {
		t.Fatalf("write an overlay of the manifests: %v", err)
	}
	return dir
}

func (c *Cluster) overlay(base string, settings []string) (dir string, err error) {
	// kustomize takes relative paths only.
	relative, err := filepath.Rel(filepath.Join(c.Dir, "etc", "overlay"), base)
	if err != nil {
		return "", err
	}
	overlay := expand(overlayTemplate, map[string]any{"Base": relative, "Settings": settings})
	file, err := c.file(filepath.Join("overlay", "kustomization.yaml"), overlay)
	return filepath.Dir(file), err
}

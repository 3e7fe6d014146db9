package cluster

import (
	"bytes"
	"context"
	_ "embed" // of templates
	"fmt"
	"text/template"

	"warren.mesh/test/cluster/image"
	"warren.mesh/test/lab"
)

//go:embed containerd.toml
var containerdTemplate string

//go:embed kubelet.yaml
var kubeletTemplate string

//go:embed coredns.yaml
var dnsTemplate string

//go:embed overlay.yaml
var overlayTemplate string

//go:embed workload.yaml
var workloadTemplate string

// refusing has containerd ask this machine for images of every registry, at a port where nobody listens
// (containerd's docs/hosts.md).
const refusing = "server = \"http://127.0.0.1:1\"\n"

func (r containerd) config(registries string) []byte {
	return expand(containerdTemplate, map[string]any{
		"Pause": image.PauseName, "Shim": r.shim, "Metrics": RuntimeMetrics, "Registries": registries,
	})
}

func (c *Cluster) kubeletConfig(n *lab.Node) []byte {
	pki := c.Authority()
	return expand(kubeletTemplate, map[string]any{
		"CA": pki.File("ca.crt"), "Certificate": pki.File(n.Name + ".crt"), "Key": pki.File(n.Name + ".key"),
		"Cgroup": n.Cgroup(), "DNS": c.dnsAddr(),
	})
}

// applyDNS creates CoreDNS, whose pods wait for a network.
func (c *Cluster) applyDNS(ctx context.Context) error {
	manifest := expand(dnsTemplate, map[string]any{"Image": image.DNSName, "Addr": c.dnsAddr()})
	if _, err := c.TryKubectl(ctx, string(manifest), "apply", "--filename=-"); err != nil {
		return fmt.Errorf("create CoreDNS: %w", err)
	}
	return nil
}

// expand fills in a template. It panics if it cannot, because templates and values are this package's.
func expand(text string, values map[string]any) []byte {
	var out bytes.Buffer
	parsed := template.Must(template.New("").Option("missingkey=error").Parse(text))
	if err := parsed.Execute(&out, values); err != nil {
		panic(err)
	}
	return out.Bytes()
}

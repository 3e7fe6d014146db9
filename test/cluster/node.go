package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"warren.mesh/test/cluster/image"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/pki"
)

// services are the programs that run on a node besides pods.
type services struct{ containerd, kubelet, proxy *host.Process }

const proxyName = "kube-proxy"

// How long services may take to start, and to end after a signal. On an idle machine either takes a second.
const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// startNode starts the services of a node whose machine has just started, and waits until the node is registered.
func (c *Cluster) startNode(ctx context.Context, n *lab.Node) error {
	if err := c.startContainerd(ctx, n); err != nil {
		return err
	}
	for _, i := range c.images {
		if err := c.importImage(ctx, n, i); err != nil {
			return err
		}
	}
	if err := c.issueKubelet(n); err != nil {
		return err
	}
	if err := errors.Join(c.startKubelet(ctx, n), c.startProxy(n)); err != nil {
		return err
	}
	if n == c.Nodes()[0] {
		if err := c.Egress(n.Host); err != nil {
			return err
		}
	}
	return n.Register(ctx)
}

func (c *Cluster) of(n *lab.Node) *services {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.services[n.Name] == nil {
		c.services[n.Name] = &services{}
	}
	return c.services[n.Name]
}

// startContainerd starts containerd and waits until it answers.
func (c *Cluster) startContainerd(ctx context.Context, n *lab.Node) error {
	hosts, err := c.file("registries/_default/hosts.toml", []byte(refusing))
	if err != nil {
		return err
	}
	config, err := c.file("containerd.toml", c.runtime.config(filepath.Dir(filepath.Dir(hosts))))
	if err != nil {
		return err
	}
	s := c.of(n)
	s.containerd, err = c.Run(n.Host, host.Program{Name: n.Name + "-containerd", Path: c.runtime.daemon,
		Args: []string{"--config=" + config}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		_, err := n.ExecContext(ctx, c.Ctr(), "version")
		if err == nil {
			return nil
		}
		if ended := s.containerd.Running(); ended != nil || ctx.Err() != nil {
			return fmt.Errorf("wait for containerd: %w", errors.Join(err, ended))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// importImage imports an image into the node's containerd, unless the node's disk has it already.
func (c *Cluster) importImage(ctx context.Context, n *lab.Node, i image.Image) error {
	have, err := n.ExecContext(ctx, c.Ctr(), "--namespace=k8s.io", "images", "list", "--quiet", "name=="+i.Name)
	if err != nil {
		return err
	}
	if strings.TrimSpace(have) == i.Name {
		return nil
	}
	if _, err := n.ExecContext(ctx, c.Ctr(), "--namespace=k8s.io", "images", "import", i.Archive); err != nil {
		return err
	}
	for _, alias := range i.Aliases {
		if _, err := n.ExecContext(ctx, c.Ctr(), "--namespace=k8s.io", "images", "tag", i.Name, alias); err != nil {
			return err
		}
	}
	return nil
}

// issueKubelet makes the node's credential, which is also its serving certificate.
func (c *Cluster) issueKubelet(n *lab.Node) error {
	_, err := c.Issue(pki.Subject{
		File: n.Name, CommonName: "system:node:" + n.Name, Organizations: []string{"system:nodes"},
		Names: []string{n.Name}, Addrs: n.Addrs(),
	})
	return err
}

// startKubelet starts it and waits until it is healthy. One that finds containerd not yet initialized ends, and is
// started again, as systemd does.
func (c *Cluster) startKubelet(ctx context.Context, n *lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s := c.of(n)
	if err := c.runKubelet(n, s); err != nil {
		return err
	}
	for {
		err := healthy(n)
		if err == nil {
			return nil
		}
		ended := s.kubelet.Running()
		if ctx.Err() != nil {
			return fmt.Errorf("wait for the kubelet: %w", errors.Join(err, ended))
		}
		time.Sleep(100 * time.Millisecond)
		if ended != nil {
			if err := c.runKubelet(n, s); err != nil {
				return err
			}
		}
	}
}

func (c *Cluster) runKubelet(n *lab.Node, s *services) error {
	path, err := c.file(n.Name+"-kubelet.yaml", c.kubeletConfig(n))
	if err != nil {
		return err
	}
	s.kubelet, err = c.Run(n.Host, host.Program{Name: n.Name + "-kubelet", Path: c.Component("kubelet"), Args: []string{
		"--config=" + path, "--kubeconfig=" + c.Authority().File(n.Name+".kubeconfig"),
		"--hostname-override=" + n.Name, "--node-ip=" + commas(n.Addrs()), "--v=2",
	}})
	return err
}

// healthy asks the kubelet on its node's loopback address, and returns nil if it is healthy.
func healthy(n *lab.Node) error {
	_, err := n.Fetch("http://127.0.0.1:10248/healthz")
	return err
}

func (c *Cluster) startProxy(n *lab.Node) error {
	var err error
	c.of(n).proxy, err = c.Run(n.Host, host.Program{Name: n.Name + "-" + proxyName, Path: c.Component(proxyName),
		Args: []string{
			"--kubeconfig=" + c.Authority().File(proxyName+".kubeconfig"), "--hostname-override=" + n.Name,
			"--proxy-mode=" + string(c.options.Proxy), "--cluster-cidr=" + commas(c.ClusterCIDRs()),
			// The limit is of the whole host, and not a node's to set.
			"--conntrack-max-per-core=0", "--v=2",
		}})
	return err
}

// commas joins values by commas, as flags take them.
func commas[T interface {
	netip.Addr | netip.Prefix
	String() string
}](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.String()
	}
	return strings.Join(texts, ",")
}

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"warren.mesh/test/cluster/image"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/pki"
)

// Proxy is a mode of kube-proxy.
type Proxy string

// NFTables and IPTables are kube-proxy's modes on Linux, without the deprecated ipvs.
const (
	NFTables Proxy = "nftables"
	IPTables Proxy = "iptables"
)

// Options describe a cluster. The zero value is an IPv4 cluster of two nodes with kube-proxy in nftables mode.
type Options struct {
	// Name tells clusters apart. Starting a cluster ends the old one of the same name. Empty means a name made from the
	// test's.
	Name string
	// Nodes is how many there are; 0 means 2. They are called node1, node2, …
	Nodes int
	// Family is the address family of nodes, pods and Services.
	Family lab.Family
	// Proxy is kube-proxy's mode; empty means NFTables.
	Proxy Proxy
	// Runtime is the nodes' containerd; empty means Current.
	Runtime Runtime
	// Keep leaves the cluster running when the process that started it ends, unless the test failed.
	Keep bool
}

// Cluster is a running Kubernetes cluster.
type Cluster struct {
	*lab.Lab
	// Kubeconfig is the path of an administrator's kubeconfig that works on this machine, outside the lab's network.
	Kubeconfig string

	options Options
	images  []image.Image
	runtime containerd

	mu       sync.Mutex
	services map[string]*services
}

// Start builds what is missing and starts a cluster, which ends with the test. Its nodes are registered and not ready,
// and CoreDNS waits for a network.
func Start(t lab.TB, o Options) *Cluster {
	t.Helper()
	o = o.complete()
	c := &Cluster{options: o, services: map[string]*services{}}
	if err := c.build(t.Context(), t.Logf); err != nil {
		t.Fatalf("build what the cluster needs: %v", err)
	}
	c.Lab = lab.Start(t, lab.Options{Name: o.Name, Nodes: o.Nodes, Family: o.Family, Keep: o.Keep, Kubelets: true})
	if err := c.start(t.Context()); err != nil {
		t.Fatalf("start the cluster: %v", err)
	}
	return c
}

// complete returns the options with defaults in the place of zero values.
func (o Options) complete() Options {
	if o.Nodes == 0 {
		o.Nodes = 2
	}
	if o.Proxy == "" {
		o.Proxy = NFTables
	}
	if o.Runtime == "" {
		o.Runtime = Current
	}
	return o
}

func (c *Cluster) build(ctx context.Context, progress func(string, ...any)) error {
	b, err := builder(ctx, progress)
	if err != nil {
		return err
	}
	if c.runtime, err = c.options.Runtime.programs(ctx, b); err != nil {
		return err
	}
	if c.images, err = b.Support(ctx); err != nil {
		return err
	}
	warren, err := b.Warren(ctx)
	c.images = append(c.images, warren)
	return err
}

// start starts everything but the API server and the machines, which the lab has started.
func (c *Cluster) start(ctx context.Context) (err error) {
	if c.Kubeconfig, err = c.Publish(); err != nil {
		return err
	}
	if err := c.startScheduler(); err != nil {
		return err
	}
	if _, err := c.Issue(pki.Subject{File: proxyName, CommonName: "system:" + proxyName}); err != nil {
		return err
	}
	if err := c.each(func(n *lab.Node) error { return c.startNode(ctx, n) }); err != nil {
		return err
	}
	return c.applyDNS(ctx)
}

func (c *Cluster) startScheduler() error {
	const name = "kube-scheduler"
	kubeconfig, err := c.Issue(pki.Subject{File: name, CommonName: "system:" + name})
	if err != nil {
		return err
	}
	_, err = c.Run(c.Control, host.Program{Name: name, Path: c.Component(name), Args: []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--leader-elect=false",
	}})
	return err
}

// each calls f for every node, all at once.
func (c *Cluster) each(f func(n *lab.Node) error) error {
	nodes := c.Nodes()
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			if err := f(n); err != nil {
				errs[i] = fmt.Errorf("%s: %w", n.Name, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// file writes one of the cluster's configuration files and returns its path.
func (c *Cluster) file(name string, content []byte) (string, error) {
	path := filepath.Join(c.Dir, "etc", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, content, 0o644)
}

// dnsAddr returns the address of the Service kube-dns in the cluster's first family: by convention the tenth of its
// range.
func (c *Cluster) dnsAddr() netip.Addr {
	addr := c.ServiceCIDRs()[0].Addr()
	for range 10 {
		addr = addr.Next()
	}
	return addr
}

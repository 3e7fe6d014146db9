package lab

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"warren.mesh/test/lab/artifact"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/machine"
	"warren.mesh/test/lab/pki"
	"warren.mesh/test/lab/tb"
)

// What is here serves labs with Options.Kubelets, whose callers run container runtimes and kubelets on the nodes.

// kubeletPrivate are, beyond private, what a container runtime and a kubelet keep on a node's disk.
var kubeletPrivate = []string{"/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods", "/var/log/containers"}

// Run starts a program in all namespaces of the host. Its name is its log's, too, unless p names a file.
func (l *Lab) Run(h *host.Host, p host.Program) (*host.Process, error) {
	if p.Log == "" {
		p.Log = l.Log(p.Name)
	}
	return h.Start(p)
}

// Component is the path of one of Kubernetes' programs, kubelet for example.
func (l *Lab) Component(name string) string { return l.programs.Component(name) }

// Helper is the path of this lab's own binary, test/lab/cmd/lab.
func (l *Lab) Helper() string { return l.programs.Lab }

// Root is the directory of warren's module.
func (l *Lab) Root() string { return l.programs.Root }

// Artifacts is the cache that the lab's own programs came from.
func (l *Lab) Artifacts() artifact.Cache { return l.programs.Cache }

// Warren is the path of the program under test, on every machine too.
func (l *Lab) Warren(t TB) string {
	t.Helper()
	path, err := l.programs.Warren(t.Context())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return path
}

// WireGuardGo is the path of wireguard-go as its authors release it, on every machine too.
func (l *Lab) WireGuardGo(t TB) string {
	t.Helper()
	path, err := l.programs.WireGuardGo(t.Context())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return path
}

// Authority is the cluster's certificate authority.
func (l *Lab) Authority() *pki.Authority { return l.authority }

// Server is the API server's URL on the underlay.
func (l *Lab) Server() string { return l.server() }

// Issue makes a certificate and a kubeconfig for s, and returns the kubeconfig's path.
func (l *Lab) Issue(s pki.Subject) (string, error) {
	if err := l.authority.Issue(s); err != nil {
		return "", err
	}
	return l.authority.Kubeconfig(l.server(), s.File)
}

// TryKubectl is Kubectl with the error.
func (l *Lab) TryKubectl(ctx context.Context, input string, args ...string) (string, error) {
	return l.kubectl(ctx, input, args...)
}

// Adopt makes a Host of a container runtime's pod: netns is the path of its network namespace on the node.
func (n *Node) Adopt(t TB, name, netns string, addrs ...netip.Addr) *host.Host {
	t.Helper()
	set, err := n.machine.Set.WithNet(n.machine.Path(netns))
	if err != nil {
		t.Fatalf("adopt pod %s of %s: %v", name, n.Name, err)
	}
	h := host.New(n.Name+"/"+name, addrs)
	if err := h.MovePod(set); err != nil {
		t.Fatalf("adopt pod %s of %s: %v", name, n.Name, err)
	}
	t.Cleanup(h.Leave)
	return h
}

// Path is where a file of the node is for this process. Absolute symbolic links on the way would lead astray.
func (n *Node) Path(inner string) string { return n.machine.Path(inner) }

// Cgroup is the node's own, in every hierarchy.
func (n *Node) Cgroup() string { return machine.Cgroup(n.lab.options.Name, n.Name) }

// Register waits until the node's kubelet has registered it.
func (n *Node) Register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		_, err := n.podCIDRs(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s to register: %w", n.Name, err)
		}
		time.Sleep(tb.PollInterval)
	}
}

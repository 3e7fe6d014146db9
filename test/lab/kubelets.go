package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"warren.mesh/test/lab/artifact"
	"warren.mesh/test/lab/pki"
)

// What is here serves labs with Options.Kubelets: whoever runs container runtimes and kubelets on the nodes.

// kubeletPrivate are, beyond private, what a container runtime and a kubelet keep on a node's disk.
var kubeletPrivate = []string{"/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods", "/var/log/containers"}

// Program is what to run on a host.
type Program struct {
	// Name is that of its log, unique in the lab.
	Name string
	// Path is absolute.
	Path string
	Args []string
	// Files are inherited, from descriptor 3 on.
	Files []*os.File
}

// Process is a program that runs on a host, or has ended. It ends with its host.
type Process struct{ process *process }

// Run starts a program in all namespaces of the host.
func (l *Lab) Run(h *Host, p Program) (*Process, error) {
	set, err := h.namespaces()
	if err != nil {
		return nil, err
	}
	running, err := program{name: p.Name, path: p.Path, args: p.Args, log: l.logFile(p.Name), files: p.Files}.run(set)
	if err != nil {
		return nil, err
	}
	return &Process{running}, nil
}

// Running is nil while it runs; otherwise it says how it ended, with the end of its log.
func (p *Process) Running() error { return p.process.running() }

// Signal sends s and waits until the process has ended.
func (p *Process) Signal(s syscall.Signal, within time.Duration) error {
	return p.process.signal(s, within)
}

// Log is the path of the log of the program with this name.
func (l *Lab) Log(name string) string { return l.logFile(name) }

// Component is the path of one of Kubernetes' programs, kubelet for example.
func (l *Lab) Component(name string) string { return l.programs.component(name) }

// Helper is the path of this lab's own binary, test/lab/cmd/lab.
func (l *Lab) Helper() string { return l.programs.lab }

// Root is the directory of warren's module.
func (l *Lab) Root() string { return l.programs.root }

// Artifacts is the cache that the lab's own programs came from.
func (l *Lab) Artifacts() artifact.Cache { return l.programs.cache }

// Authority is the cluster's certificate authority.
func (l *Lab) Authority() *pki.Authority { return l.authority }

// Server is the API server's URL, for who is on the underlay.
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
func (n *Node) Adopt(t TB, name, netns string, addrs ...netip.Addr) *Host {
	t.Helper()
	set, err := n.machine.set.WithNet(n.machine.path(netns))
	if err != nil {
		t.Fatalf("adopt pod %s of %s: %v", name, n.Name, err)
	}
	h := newHost(n.Name+"/"+name, inMesh, addrs)
	h.ownNet = true
	if err := h.move(set); err != nil {
		t.Fatalf("adopt pod %s of %s: %v", name, n.Name, err)
	}
	t.Cleanup(h.leave)
	return h
}

// Path is where a file of the node is for this process. Absolute symbolic links on the way would lead astray.
func (n *Node) Path(inner string) string { return n.machine.path(inner) }

// Cgroup is the node's own, in every hierarchy.
func (n *Node) Cgroup() string { return n.cgroup() }

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
		time.Sleep(pollInterval)
	}
}

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"warren.mesh/test/lab/artifact"
	"warren.mesh/test/lab/inside"
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

// Publish has this machine's loopback lead to the API server for as long as the lab runs, and returns the path of an
// administrator's kubeconfig that goes there. Nothing of the root network namespace is changed: a process on the control
// machine accepts from a socket that was opened outside.
func (l *Lab) Publish() (kubeconfig string, err error) {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)))
	if err != nil {
		return "", fmt.Errorf("publish the API server: %w", err)
	}
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		return "", fmt.Errorf("publish the API server: %w", err)
	}
	defer file.Close()
	spec, err := json.Marshal(inside.Relay{To: strings.TrimPrefix(l.server(), "https://")})
	if err != nil {
		return "", err
	}
	relay := Program{Name: "relay", Path: l.programs.lab, Args: []string{"relay", string(spec)}, Files: []*os.File{file}}
	if _, err := l.Run(l.Control, relay); err != nil {
		return "", err
	}
	return l.authority.Publish("https://"+listener.Addr().String(), "admin", filepath.Join(l.Dir, "kubeconfig"))
}

func (l *Lab) serverNames() []string {
	const service = "kubernetes.default.svc.cluster.local"
	return []string{"localhost", "kubernetes", service[:len("kubernetes.default")], service[:len("kubernetes.default.svc")], service}
}

// serverAddrs are the API server's addresses: its own, the Service's, and loopback, from which it can be published.
func (l *Lab) serverAddrs() []netip.Addr {
	addrs := append(pick(l.options.Family, controlIPs), netip.MustParseAddr("127.0.0.1"))
	for _, cidr := range l.ServiceCIDRs() {
		addrs = append(addrs, cidr.Addr().Next())
	}
	return addrs
}

func (n *Node) cgroup() string { return cgroupOf(n.lab.options.Name, n.Name) }

// cgroupOf names a node's cgroup. Names of labs have no dots, so that no lab's are another's.
func cgroupOf(lab, node string) string { return "warren." + lab + "." + node }

// removeCgroups removes the cgroups that match, with those below; nothing may run in them any more.
func removeCgroups(pattern string) error {
	matches, err := filepath.Glob(filepath.Join("/sys/fs/cgroup/*", pattern))
	if err != nil {
		return err
	}
	for _, top := range matches {
		if err := removeCgroup(top); err != nil {
			return err
		}
	}
	return nil
}

func removeCgroup(top string) error {
	var dirs []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(dirs)
	for _, dir := range dirs {
		if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// AdminKubeconfig is the path of the administrator's kubeconfig of the lab with this name, for its control machine.
func AdminKubeconfig(name string) string {
	return filepath.Join(directory(name), "pki", "admin.kubeconfig")
}

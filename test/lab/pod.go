package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/inside"
)

// Pod is a network namespace attached to its node. Its Addrs are what CNI gave it.
type Pod struct {
	*host.Host
	// Node is where it runs.
	Node *Node

	name string
}

// HostPort is one port of a pod that its node answers at, by the portmap plugin.
type HostPort struct {
	// Host is the node's port, Container the pod's.
	Host, Container uint16
	// Protocol is tcp or udp; empty means tcp.
	Protocol string
}

// AddPod makes a network namespace and attaches it with the CNI configuration in the node's /etc/cni/net.d, as a
// container runtime does; the name is unique on the node.
func (n *Node) AddPod(t TB, name string, ports ...HostPort) *Pod {
	t.Helper()
	pod, err := n.TryPod(name, ports...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return pod
}

// TryPod is AddPod with the error, for nodes that must not start pods.
func (n *Node) TryPod(name string, ports ...HostPort) (*Pod, error) {
	spec := inside.Pod{Name: name}
	for _, p := range ports {
		if p.Protocol == "" {
			p.Protocol = "tcp"
		}
		spec.Ports = append(spec.Ports, inside.Port{HostPort: p.Host, ContainerPort: p.Container, Protocol: p.Protocol})
	}
	out, err := n.runtime("attach", spec)
	if err != nil {
		return nil, err
	}
	var attached inside.Attached
	if err := json.Unmarshal([]byte(out), &attached); err != nil {
		return nil, fmt.Errorf("attach pod %s to %s: %w", name, n.Name, err)
	}
	pod := &Pod{Host: host.New(n.Name+"/"+name, attached.Addrs), Node: n, name: name}
	set, err := n.machine.Set.WithNet(n.machine.Path(inside.NetPath(name)))
	if err != nil {
		return nil, err
	}
	n.lab.mu.Lock()
	n.pods = append(n.pods, pod)
	n.lab.mu.Unlock()
	return pod, pod.MovePod(set)
}

// Delete detaches the pod by CNI's DEL and removes its namespace.
func (p *Pod) Delete(t TB) {
	t.Helper()
	p.Leave()
	if _, err := p.Node.runtime("detach", inside.Pod{Name: p.name}); err != nil {
		t.Fatalf("%v", err)
	}
	l := p.Node.lab
	l.mu.Lock()
	defer l.mu.Unlock()
	p.Node.pods = slices.DeleteFunc(p.Node.pods, func(other *Pod) bool { return other == p })
}

// TryCheck executes CNI's CHECK, and returns what the plugins find wrong with the pod's attachment.
func (p *Pod) TryCheck() error {
	_, err := p.Node.runtime("check", inside.Pod{Name: p.name})
	return err
}

// runtime runs the lab binary on the node in the part of a container runtime.
func (n *Node) runtime(verb string, pod inside.Pod) (string, error) {
	spec, err := json.Marshal(pod)
	if err != nil {
		return "", err
	}
	return n.Output(context.Background(), host.Command{Path: n.lab.programs.Lab, Args: []string{verb, string(spec)}})
}

package cluster

import (
	"errors"
	"syscall"

	"warren.mesh/test/lab"
)

// Join adds a node and waits until it is registered. A node with the name of one that was removed gets its disk.
func (c *Cluster) Join(t lab.TB, o lab.NodeOptions) *lab.Node {
	t.Helper()
	n := c.AddNode(t, o)
	if err := c.startNode(t.Context(), n); err != nil {
		t.Fatalf("start %s: %v", n.Name, err)
	}
	return n
}

// Reboot ends every process and namespace of the node and starts it again with its disk: what `reboot` does to a
// machine. It returns when the kubelet runs again.
func (c *Cluster) Reboot(t lab.TB, n *lab.Node) {
	t.Helper()
	n.Reboot(t)
	if err := c.startNode(t.Context(), n); err != nil {
		t.Fatalf("start %s again: %v", n.Name, err)
	}
}

// StopKubelet ends the node's kubelet. Containers keep running, and nobody starts those again that end.
func (c *Cluster) StopKubelet(t lab.TB, n *lab.Node) {
	t.Helper()
	if err := c.of(n).kubelet.Signal(syscall.SIGTERM, stopTimeout); err != nil {
		t.Fatalf("stop the kubelet of %s: %v", n.Name, err)
	}
}

// RestartKubelet ends the node's kubelet and starts a new one.
func (c *Cluster) RestartKubelet(t lab.TB, n *lab.Node) {
	t.Helper()
	if err := errors.Join(c.of(n).kubelet.Signal(syscall.SIGTERM, stopTimeout),
		c.startKubelet(t.Context(), n)); err != nil {
		t.Fatalf("restart the kubelet of %s: %v", n.Name, err)
	}
}

// RestartContainerd ends the node's containerd and starts a new one. Containers keep running meanwhile.
func (c *Cluster) RestartContainerd(t lab.TB, n *lab.Node) {
	t.Helper()
	if err := errors.Join(c.of(n).containerd.Signal(syscall.SIGTERM, stopTimeout),
		c.startContainerd(t.Context(), n)); err != nil {
		t.Fatalf("restart containerd of %s: %v", n.Name, err)
	}
}

package lab

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
)

// Node is one machine of the cluster and its Node object. Its Addrs are its InternalIPs.
type Node struct {
	*Host
}

// Remove takes the machine away, all its namespaces at once, and deletes the Node object.
func (n *Node) Remove(t TB) { panic("skeleton") }

// Reboot ends every process and namespace of the node (pods too) and starts the machine again: disk kept, /run lost.
// Neither device nor daemon is started.
func (n *Node) Reboot(t TB) { panic("skeleton") }

// StartDevice starts `warren wireguard` as a process of its own. On a kernel with WireGuard it idles, as it would there.
func (n *Node) StartDevice(t TB, args ...string) { panic("skeleton") }

// StopDevice sends SIGTERM and waits for the end.
func (n *Node) StopDevice(t TB) { panic("skeleton") }

// KillDevice sends SIGKILL and waits for the end.
func (n *Node) KillDevice(t TB) { panic("skeleton") }

// StartDaemon starts `warren daemon` with the node's own pod-bound token and the lab's cluster CIDRs; args are further flags.
// It does not wait for anything.
func (n *Node) StartDaemon(t TB, args ...string) { panic("skeleton") }

// StopDaemon sends SIGTERM and waits for the end, which must be a success.
func (n *Node) StopDaemon(t TB) { panic("skeleton") }

// KillDaemon sends SIGKILL and waits for the end.
func (n *Node) KillDaemon(t TB) { panic("skeleton") }

// WaitDaemon waits for the daemon to end by itself and returns its exit code: for what it refuses to do.
func (n *Node) WaitDaemon(t TB) (code int) { panic("skeleton") }

// Ready asks the daemon's /readyz: nil, or what it says it waits for.
func (n *Node) Ready() error { panic("skeleton") }

// WaitReady waits until Ready, and fails with the reason and the end of the log after 30 seconds.
func (n *Node) WaitReady(t TB) { panic("skeleton") }

// Metrics are the daemon's, by series as Prometheus writes it: `name{label="value"}`.
func (n *Node) Metrics(t TB) map[string]float64 { panic("skeleton") }

// Log is what all daemons of this node have logged so far; DeviceLog is the same of its device processes.
func (n *Node) Log() string { panic("skeleton") }

// DeviceLog is what all device processes of this node have logged so far.
func (n *Node) DeviceLog() string { panic("skeleton") }

// AddPod makes a network namespace and attaches it with the CNI configuration in the node's /etc/cni/net.d, as a container
// runtime does; the name is unique on the node.
func (n *Node) AddPod(t TB, name string, ports ...HostPort) *Pod { panic("skeleton") }

// TryPod is AddPod with the error, for nodes that must not start pods.
func (n *Node) TryPod(name string, ports ...HostPort) (*Pod, error) { panic("skeleton") }

// PodCIDRs are spec.podCIDRs of the Node object; it waits for them.
func (n *Node) PodCIDRs(t TB) []netip.Prefix { panic("skeleton") }

// Gateway is the first host of the pod CIDR of the family of like.
func (n *Node) Gateway(t TB, like netip.Addr) netip.Addr { panic("skeleton") }

// Object is the Node object as the API server has it now.
func (n *Node) Object(t TB) *corev1.Node { panic("skeleton") }

// Annotate sets annotations of the Node object as administrator; an empty value removes one.
func (n *Node) Annotate(t TB, annotations map[string]string) { panic("skeleton") }

// CreateObject registers the Node object; without podCIDRs the controller manager assigns them.
func (n *Node) CreateObject(t TB, podCIDRs ...netip.Prefix) { panic("skeleton") }

// DeleteObject deletes the Node object; the machine goes on.
func (n *Node) DeleteObject(t TB) { panic("skeleton") }

// SetIPs changes the node's underlay addresses: on its interface (the new ones first) and in its Node object.
func (n *Node) SetIPs(t TB, addrs ...netip.Addr) { panic("skeleton") }

// HostPort is one port of a pod that its node answers at, by the portmap plugin.
type HostPort struct {
	Host, Container uint16
	// Protocol is tcp or udp; empty means tcp.
	Protocol string
}

// Pod is a network namespace attached to its node. Its Addrs are what CNI gave it.
type Pod struct {
	*Host
	Node *Node
}

// Delete detaches the pod by CNI's DEL and removes its namespace.
func (p *Pod) Delete(t TB) { panic("skeleton") }

package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/inside"
)

// Pod is a network namespace attached to its node, and its Pod object. Its Addrs are what CNI gave it.
type Pod struct {
	*host.Host
	// Node is where it runs.
	Node *Node

	spec inside.Pod
	// object is as it was created.
	object *corev1.Pod
}

// PodOptions describe a pod.
type PodOptions struct {
	// Name is unique on the node.
	Name string
	// Namespace is the Pod object's, which is made if there is none; empty means default. Object is the Pod object's
	// name; empty means Name, a hyphen and the node's name.
	Namespace, Object string
	// Labels are the Pod object's. It has one more, pod, whose value is its name.
	Labels map[string]string
	// Ports are its container's, for policies that name them.
	Ports []corev1.ContainerPort
	// HostPorts are those of its node.
	HostPorts []HostPort

	hostNetwork bool
}

// HostPort is one port of a pod that its node answers at, by the portmap plugin.
type HostPort struct {
	// Host is the node's port, Container the pod's.
	Host, Container uint16
	// Protocol is tcp or udp; empty means tcp.
	Protocol string
}

// AddPod makes a Pod object and a network namespace, and attaches it with the CNI configuration in the node's
// /etc/cni/net.d, as a container runtime does; the name is unique on the node.
func (n *Node) AddPod(t TB, name string, ports ...HostPort) *Pod {
	t.Helper()
	return n.StartPod(t, PodOptions{Name: name, HostPorts: ports})
}

// StartPod is AddPod with more to say of the pod.
func (n *Node) StartPod(t TB, o PodOptions) *Pod {
	t.Helper()
	pod := n.Schedule(t, o)
	if err := pod.TryStart(t.Context()); err != nil {
		t.Fatalf("%v", err)
	}
	return pod
}

// TryPod is AddPod with the error, for nodes that must not start pods. The Pod object stays, as that of a pod that does
// not start does, and is that of the next pod of this name.
func (n *Node) TryPod(name string, ports ...HostPort) (*Pod, error) {
	pod, err := n.schedule(context.Background(), PodOptions{Name: name, HostPorts: ports})
	if err != nil {
		return nil, err
	}
	return pod, pod.TryStart(context.Background())
}

// Schedule makes the Pod object of a pod that has not started, as the scheduler leaves it. If there is one of this name
// on the node, as after a reboot, that one stays.
func (n *Node) Schedule(t TB, o PodOptions) *Pod {
	t.Helper()
	pod, err := n.schedule(t.Context(), o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return pod
}

func (n *Node) schedule(ctx context.Context, o PodOptions) (*Pod, error) {
	o = o.complete(n)
	object, err := n.podObject(ctx, o)
	if err != nil {
		return nil, err
	}
	return n.podOf(o, object), nil
}

// Unseen is Schedule of a pod of which the API server tells later than the runtime attaches it, once create is called:
// until then it has no Pod object. The runtime does not know its UID.
func (n *Node) Unseen(t TB, o PodOptions) (pod *Pod, create func()) {
	t.Helper()
	o = o.complete(n)
	object := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Object}}
	return n.podOf(o, object), func() {
		t.Helper()
		if _, err := n.podObject(t.Context(), o); err != nil {
			t.Fatalf("%v", err)
		}
	}
}

// Manifest is Unseen of a pod whose Pod object the caller makes, together with others: by its manifest, which is JSON.
func (n *Node) Manifest(t TB, o PodOptions) (pod *Pod, manifest string) {
	t.Helper()
	o = o.complete(n)
	if err := n.lab.namespace(t.Context(), o.Namespace); err != nil {
		t.Fatalf("make the namespace of pod %s: %v", o.Object, err)
	}
	object := o.object(n)
	object.APIVersion, object.Kind = "v1", "Pod"
	content, err := json.Marshal(object)
	if err != nil {
		t.Fatalf("write the manifest of pod %s: %v", o.Object, err)
	}
	return n.podOf(o, object), string(content)
}

// complete returns the options with what they leave to defaults.
func (o PodOptions) complete(n *Node) PodOptions {
	o.Namespace = cmp.Or(o.Namespace, corev1.NamespaceDefault)
	o.Object = cmp.Or(o.Object, o.Name+"-"+n.Name)
	return o
}

// podOf returns the pod of a Pod object.
func (n *Node) podOf(o PodOptions, object *corev1.Pod) *Pod {
	spec := inside.Pod{Name: o.Name, Namespace: o.Namespace, Object: o.Object, UID: string(object.UID)}
	for _, p := range o.HostPorts {
		spec.Ports = append(spec.Ports, inside.Port{HostPort: p.Host, ContainerPort: p.Container,
			Protocol: cmp.Or(p.Protocol, "tcp")})
	}
	return &Pod{Host: host.New(n.Name+"/"+o.Name, nil), Node: n, spec: spec, object: object}
}

// Make makes the pod's network namespace, in which programs and sockets can be before the pod has a network.
func (p *Pod) Make(t TB) {
	t.Helper()
	_, err := p.Node.runtime(t.Context(), "make", p.spec)
	if err == nil {
		p.spec.Made = true
		err = p.enter()
	}
	if err != nil {
		t.Fatalf("make pod %s: %v", p.Name, err)
	}
}

// enter begins to know the pod's network namespace.
func (p *Pod) enter() error {
	set, err := p.Node.machine.Set.WithNet(p.Node.machine.Path(inside.NetPath(p.spec.Name)))
	if err != nil {
		return err
	}
	l := p.Node.lab
	l.mu.Lock()
	p.Node.pods = append(p.Node.pods, p)
	l.mu.Unlock()
	return p.MovePod(set)
}

// TryStart attaches a pod that was scheduled, and writes its addresses to its Pod object.
func (p *Pod) TryStart(ctx context.Context) error {
	out, err := p.Node.runtime(ctx, "attach", p.spec)
	if err != nil {
		if p.spec.Made {
			p.Leave()
			p.Node.forget(p)
			p.spec.Made = false
		}
		return err
	}
	var attached inside.Attached
	if err := json.Unmarshal([]byte(out), &attached); err != nil {
		return fmt.Errorf("attach pod %s to %s: %w", p.spec.Name, p.Node.Name, err)
	}
	p.SetAddrs(attached.Addrs)
	if !p.spec.Made {
		if err := p.enter(); err != nil {
			return err
		}
	}
	return p.Node.lab.report(ctx, p.running)
}

// Delete detaches the pod by CNI's DEL, removes its namespace and then its Pod object.
func (p *Pod) Delete(t TB) {
	t.Helper()
	p.Detach(t)
	p.DeleteObject(t)
}

// Detach is the part of Delete that a container runtime has. The Pod object still names the pod's addresses.
func (p *Pod) Detach(t TB) {
	t.Helper()
	p.Leave()
	if _, err := p.Node.runtime(t.Context(), "detach", inside.Pod{Name: p.spec.Name}); err != nil {
		t.Fatalf("%v", err)
	}
	p.spec.Made = false
	p.Node.forget(p)
}

// forget takes the pod from the node's.
func (n *Node) forget(p *Pod) {
	n.lab.mu.Lock()
	defer n.lab.mu.Unlock()
	n.pods = slices.DeleteFunc(n.pods, func(other *Pod) bool { return other == p })
}

// TryCheck executes CNI's CHECK, and returns what the plugins find wrong with the pod's attachment.
func (p *Pod) TryCheck() error {
	_, err := p.Node.runtime(context.Background(), "check", inside.Pod{Name: p.spec.Name})
	return err
}

// runtime runs the lab binary on the node in the part of a container runtime.
func (n *Node) runtime(ctx context.Context, verb string, pod inside.Pod) (string, error) {
	spec, err := json.Marshal(pod)
	if err != nil {
		return "", err
	}
	return n.Output(ctx, host.Command{Path: n.lab.programs.Lab, Args: []string{verb, string(spec)}})
}

// Object is the name of the Pod object.
func (p *Pod) Object() string { return p.object.Name }

package policies

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh/policy"
)

// Pod is as much of a Pod object as decides about connections. It is what a Codec decodes Pods to.
type Pod struct {
	*policy.Pod
	// key is "namespace/name"; Namespace and Name share its memory.
	key string
	// absent says that the pod has no address of its own: it shares its host's network, or it has completed and its
	// address may be another's by now.
	absent bool
	// version is the object's resourceVersion, end the annotation of the bookmark after the last object of a list. The
	// reflector wants them.
	version, end string
}

var (
	_ runtime.Object            = (*Pod)(nil)
	_ metav1.ObjectMetaAccessor = (*Pod)(nil)
)

// GetObjectKind says nothing: what a Codec decodes are Pods.
func (p *Pod) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject returns a copy. What the copy points to is never written to.
func (p *Pod) DeepCopyObject() runtime.Object {
	c := *p
	return &c
}

// GetObjectMeta returns what the reflector wants to know of the object's metadata.
func (p *Pod) GetObjectMeta() metav1.Object {
	m := &metav1.ObjectMeta{
		Namespace: p.Namespace, Name: p.Name, UID: types.UID(p.UID), ResourceVersion: p.version,
	}
	if p.end != "" {
		m.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: p.end}
	}
	return m
}

// PodList is a list of Pods.
type PodList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []Pod
}

var _ runtime.Object = (*PodList)(nil)

// DeepCopyObject returns a copy. What the Items point to is never written to.
func (l *PodList) DeepCopyObject() runtime.Object {
	c := *l
	c.Items = slices.Clone(l.Items)
	return &c
}

// names are a pod's namespace and name, and the rest of what Pod has beside a policy.Pod.
type names struct{ namespace, name, version, end string }

// named returns a Pod. The key, namespace and name share one piece of memory, and the node's name is shared by the
// node's pods: there may be 150,000 of them.
func named(n names, p policy.Pod, absent bool) *Pod {
	key := n.namespace + "/" + n.name
	p.Namespace, p.Name = key[:len(n.namespace)], key[len(n.namespace)+1:]
	p.Node = unique.Make(p.Node).Value()
	return &Pod{Pod: &p, key: key, absent: absent, version: n.version, end: n.end}
}

// podOf translates a Pod in full, which a server sends that does not know protobuf.
func podOf(o *corev1.Pod) *Pod {
	// A static pod has two: the kubelet attaches it under the one that its mirror holds as an annotation.
	uid := cmp.Or(o.Annotations[corev1.MirrorPodAnnotationKey], string(o.UID))
	p := policy.Pod{UID: strings.Clone(uid), Node: o.Spec.NodeName, Labels: policy.NewLabels(o.Labels)}
	for _, ip := range o.Status.PodIPs {
		p.Addrs = addAddress(p.Addrs, ip.IP)
	}
	if len(o.Status.PodIPs) == 0 {
		p.Addrs = addAddress(p.Addrs, o.Status.PodIP)
	}
	for _, c := range o.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			p.Ports = addPorts(p.Ports, c.Ports)
		}
	}
	for _, c := range o.Spec.Containers {
		p.Ports = addPorts(p.Ports, c.Ports)
	}
	return named(names{o.Namespace, o.Name, o.ResourceVersion, o.Annotations[metav1.InitialEventsAnnotationKey]}, p,
		o.Spec.HostNetwork || completed(string(o.Status.Phase)))
}

// completed reports whether a pod of this phase has ended for good, all of its containers. One that is being deleted
// has not yet.
func completed(phase string) bool {
	return phase == string(corev1.PodSucceeded) || phase == string(corev1.PodFailed)
}

// addAddress leaves out what is no address: no rule then names the pod.
func addAddress(all []netip.Addr, text string) []netip.Addr {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return all
	}
	return append(all, addr.Unmap())
}

func addPorts(all []policy.NamedPort, ports []corev1.ContainerPort) []policy.NamedPort {
	for _, p := range ports {
		all = addPort(all, p.Name, string(p.Protocol), p.ContainerPort)
	}
	return all
}

// addPort leaves out ports that a policy cannot name.
func addPort(all []policy.NamedPort, name, proto string, number int32) []policy.NamedPort {
	if proto == "" {
		proto = string(corev1.ProtocolTCP)
	}
	known := protocol(corev1.Protocol(proto))
	if name == "" || known == "" || !isPort(number) {
		return all
	}
	return append(all, policy.NamedPort{
		Name: unique.Make(name).Value(), Protocol: known, Number: uint16(number),
	})
}

// samePod reports whether two pods are the same for every policy.
func samePod(a, b *policy.Pod) bool {
	return a.UID == b.UID && a.Node == b.Node && a.Labels == b.Labels &&
		slices.Equal(a.Addrs, b.Addrs) && slices.Equal(a.Ports, b.Ports)
}

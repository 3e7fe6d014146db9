package survey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ErrNotFound is wrapped by errors about objects that there are not.
var ErrNotFound = errors.New("there is none of this name")

// End is where connections begin or end: a pod, or an endpoint of a Service.
type End struct {
	// Name is "namespace/name" of a pod; empty for an endpoint that is none.
	Name string
	// Node is the Node that it runs on; empty where it is on none yet, or on none of the cluster's.
	Node  string
	Addrs []netip.Addr
	// Port and Protocol, "tcp", "udp" or "sctp", are where a Service's connections end; zero for a pod.
	Port     uint16
	Protocol string
}

// Pod returns a pod. The error wraps ErrNotFound or ErrForbidden.
func (r *Reader) Pod(ctx context.Context, namespace, name string) (End, error) {
	var pod corev1.Pod
	if err := r.get(ctx, "pods", namespace, name, &pod); err != nil {
		return End{}, err
	}
	end := End{Name: namespace + "/" + name, Node: pod.Spec.NodeName}
	for _, ip := range pod.Status.PodIPs {
		if addr, err := netip.ParseAddr(ip.IP); err == nil {
			end.Addrs = append(end.Addrs, addr)
		}
	}
	if len(end.Addrs) == 0 {
		return end, fmt.Errorf("pod %s has no address yet: %s", end.Name, cmp.Or(string(pod.Status.Phase), "Pending"))
	}
	return end, nil
}

// Service returns the ready endpoints of a Service behind one of its ports, or behind its first one if port is zero;
// sorted by address. The error wraps ErrNotFound or ErrForbidden.
func (r *Reader) Service(
	ctx context.Context, namespace, name, protocol string, port uint16,
) (ends []End, err error) {
	var service corev1.Service
	if err := r.get(ctx, "services", namespace, name, &service); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool {
		return port == 0 || p.Port == int32(port) && lower(p.Protocol) == protocol
	})
	if i < 0 {
		return nil, fmt.Errorf("Service %s/%s has no port %d/%s: %w", namespace, name, port, protocol, ErrNotFound)
	}
	err = list(ctx, r, discoveryv1.SchemeGroupVersion, "endpointslices", namespace,
		discoveryv1.LabelServiceName+"="+name,
		func() *discoveryv1.EndpointSliceList { return &discoveryv1.EndpointSliceList{} },
		func(page *discoveryv1.EndpointSliceList) string {
			for _, slice := range page.Items {
				ends = append(ends, endsOf(slice, service.Spec.Ports[i].Name)...)
			}
			return page.Continue
		})
	slices.SortFunc(ends, func(a, b End) int { return a.Addrs[0].Compare(b.Addrs[0]) })
	if err == nil && len(ends) == 0 {
		err = fmt.Errorf("Service %s/%s has no ready endpoint", namespace, name)
	}
	return ends, err
}

// endsOf returns the ready endpoints of a slice behind the port of a name.
func endsOf(slice discoveryv1.EndpointSlice, portName string) (ends []End) {
	for _, p := range slice.Ports {
		if p.Port == nil || p.Name != nil && *p.Name != portName || p.Name == nil && portName != "" {
			continue
		}
		protocol := corev1.ProtocolTCP
		if p.Protocol != nil {
			protocol = *p.Protocol
		}
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready || len(e.Addresses) == 0 {
				continue
			}
			addr, err := netip.ParseAddr(e.Addresses[0])
			if err != nil {
				continue
			}
			end := End{Addrs: []netip.Addr{addr}, Port: uint16(*p.Port), Protocol: lower(protocol)}
			if e.NodeName != nil {
				end.Node = *e.NodeName
			}
			if t := e.TargetRef; t != nil && t.Kind == "Pod" {
				end.Name = t.Namespace + "/" + t.Name
			}
			ends = append(ends, end)
		}
	}
	return ends
}

// lower returns a protocol's name as policies and ports have it.
func lower(p corev1.Protocol) string {
	switch p {
	case corev1.ProtocolUDP:
		return "udp"
	case corev1.ProtocolSCTP:
		return "sctp"
	default:
		return "tcp"
	}
}

// get reads one object of the core group.
func (r *Reader) get(ctx context.Context, resource, namespace, name string, into runtime.Object) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	err := r.groups[corev1.SchemeGroupVersion].Get().Namespace(namespace).Resource(resource).Name(name).
		VersionedParams(&metav1.GetOptions{}, metav1.ParameterCodec).Do(ctx).
		Into(into)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s %s/%s: %w", resource, namespace, name, ErrNotFound)
	case err != nil:
		return explained("read "+resource+" "+namespace+"/"+name, err)
	}
	return nil
}

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
)

// assignTimeout bounds the controller manager's assignment of pod CIDRs: it starts after the first nodes have
// registered, and hands out about 16 a second.
const assignTimeout = 60 * time.Second

// Object is the Node object as the API server has it now.
func (n *Node) Object(t TB) *corev1.Node {
	t.Helper()
	node, err := n.lab.core.Nodes().Get(t.Context(), n.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return node
}

// CreateObject registers the Node object; without podCIDRs the controller manager assigns them.
func (n *Node) CreateObject(t TB, podCIDRs ...netip.Prefix) {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name,
		Labels: map[string]string{corev1.LabelHostname: n.Name}}}
	node.Spec.PodCIDRs = texts(podCIDRs)
	if len(podCIDRs) > 0 {
		node.Spec.PodCIDR = podCIDRs[0].String()
	}
	node.Status.Addresses = n.statusAddresses()
	if _, err := n.lab.core.Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatalf("register %s: %v", n.Name, err)
	}
}

// DeleteObject deletes the Node object; the machine goes on.
func (n *Node) DeleteObject(t TB) {
	t.Helper()
	if err := n.lab.core.Nodes().Delete(t.Context(), n.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatalf("%v", err)
	}
}

// Annotate sets annotations of the Node object as administrator; an empty value removes one.
func (n *Node) Annotate(t TB, annotations map[string]string) {
	t.Helper()
	values := map[string]*string{}
	for key, value := range annotations {
		values[key] = nil
		if value != "" {
			values[key] = &value
		}
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": values}})
	if err != nil {
		t.Fatalf("annotate %s: %v", n.Name, err)
	}
	_, err = n.lab.core.Nodes().Patch(t.Context(), n.Name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: "lab"})
	if err != nil {
		t.Fatalf("annotate %s: %v", n.Name, err)
	}
}

// updateStatus writes the node's addresses to its Node object, as a kubelet does.
func (n *Node) updateStatus(t TB) {
	t.Helper()
	nodes := n.lab.core.Nodes()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := nodes.Get(t.Context(), n.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		node.Status.Addresses = n.statusAddresses()
		_, err = nodes.UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		t.Fatalf("update the addresses of %s: %v", n.Name, err)
	}
}

func (n *Node) statusAddresses() []corev1.NodeAddress {
	addresses := []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: n.Name}}
	for _, addr := range n.Addrs() {
		addresses = append(addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: addr.String()})
	}
	return addresses
}

// PodCIDRs are spec.podCIDRs of the Node object; it waits until they are assigned.
func (n *Node) PodCIDRs(t TB) []netip.Prefix {
	t.Helper()
	var cidrs []netip.Prefix
	Wait(t, assignTimeout, "pod CIDRs of "+n.Name, func() (err error) {
		cidrs, err = n.podCIDRs(t.Context())
		return err
	})
	return cidrs
}

func (n *Node) podCIDRs(ctx context.Context) ([]netip.Prefix, error) {
	node, err := n.lab.core.Nodes().Get(ctx, n.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if len(node.Spec.PodCIDRs) == 0 {
		return nil, errors.New("none assigned")
	}
	var cidrs []netip.Prefix
	for _, text := range node.Spec.PodCIDRs {
		cidr, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		cidrs = append(cidrs, cidr)
	}
	return cidrs, nil
}

// Gateway is the first host of the pod CIDR of the family of like: the node's address on warren0 and on the bridge.
func (n *Node) Gateway(t TB, like netip.Addr) netip.Addr {
	t.Helper()
	for _, cidr := range n.PodCIDRs(t) {
		if cidr.Addr().Is4() == like.Is4() {
			return cidr.Masked().Addr().Next()
		}
	}
	return netip.Addr{}
}

func texts(prefixes []netip.Prefix) []string {
	var list []string
	for _, p := range prefixes {
		list = append(list, p.String())
	}
	return list
}

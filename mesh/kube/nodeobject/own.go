package nodeobject

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"warren.mesh/mesh"
)

// Own is the part of the own Node's full object that is cached. Lists are joined by commas to make it
// comparable.
type Own struct {
	Summary
	PodCIDRs, InternalIPs string
	// NetworkUnavailable is the status of the condition of that name; empty without it, and where warren's removal has
	// left it: the next daemon says anew what holds.
	NetworkUnavailable corev1.ConditionStatus
}

// SummarizeOwn copies what matters of the own Node. It also accepts an Own, as Summarize accepts a Summary.
func SummarizeOwn(object any) (Own, error) {
	switch o := object.(type) {
	case Own:
		return o, nil
	case *corev1.Node:
		return summarizeFull(o, summarizeMeta(&o.ObjectMeta)), nil
	default:
		return Own{}, fmt.Errorf("summarize the own Node: unexpected type %T", object)
	}
}

func summarizeFull(o *corev1.Node, meta Summary) Own {
	return Own{
		Summary:            meta,
		PodCIDRs:           strings.Join(o.Spec.PodCIDRs, ","),
		InternalIPs:        strings.Join(internalIPs(o.Status.Addresses), ","),
		NetworkUnavailable: networkUnavailable(o.Status.Conditions),
	}
}

func internalIPs(addresses []corev1.NodeAddress) []string {
	var ips []string
	for _, a := range addresses {
		if a.Type == corev1.NodeInternalIP {
			ips = append(ips, a.Address)
		}
	}
	return ips
}

func networkUnavailable(conditions []corev1.NodeCondition) corev1.ConditionStatus {
	for _, c := range conditions {
		if c.Type == corev1.NodeNetworkUnavailable && c.Reason != ReasonRemoved {
			return c.Status
		}
	}
	return ""
}

// The reasons with which warren writes the condition NetworkUnavailable.
const (
	// ReasonUp comes with False, once the mesh is programmed.
	ReasonUp = "WarrenIsUp"
	// ReasonNotUsed comes with True, while the container runtime uses the CNI configuration of another network.
	ReasonNotUsed = "WarrenIsNotUsed"
	// ReasonRemoved comes with False, after warren was removed from the node.
	ReasonRemoved = "WarrenIsRemoved"
)

// Left returns the Node's condition NetworkUnavailable if it has one that a daemon of warren has written.
func Left(object *corev1.Node) (left corev1.NodeCondition, ok bool) {
	for _, c := range object.Status.Conditions {
		if c.Type == corev1.NodeNetworkUnavailable && (c.Reason == ReasonUp || c.Reason == ReasonNotUsed) {
			return c, true
		}
	}
	return corev1.NodeCondition{}, false
}

// ParseOwn returns the own Node in the core's terms. Values that cannot be parsed become Problems in Malformed: the
// rest may suffice, and the operator learns of them.
func ParseOwn(s Own) mesh.Self {
	self := mesh.Self{
		Name:               s.Name,
		UID:                s.UID,
		Created:            s.createdAt(),
		Published:          s.Announcement,
		NetworkAvailable:   s.NetworkUnavailable == corev1.ConditionFalse,
		NetworkUnavailable: s.NetworkUnavailable == corev1.ConditionTrue,
	}
	for _, text := range split(s.PodCIDRs) {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			self.Malformed = append(self.Malformed, malformed(s.Name, mesh.FieldPodCIDRs, "spec.podCIDRs", text))
			continue
		}
		self.PodCIDRs = append(self.PodCIDRs, prefix.Masked())
	}
	for _, text := range split(s.InternalIPs) {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			self.Malformed = append(self.Malformed,
				malformed(s.Name, mesh.FieldNodeIPs, "InternalIP of status.addresses", text))
			continue
		}
		self.NodeIPs = append(self.NodeIPs, addr.Unmap())
	}
	return self
}

func malformed(node string, field mesh.Field, what, text string) mesh.Problem {
	reason := fmt.Sprintf("%s %q of the Node object cannot be read and is left out: correct the Node", what, text)
	return mesh.Problem{Node: node, Field: field, Reason: reason}
}

func split(joined string) []string {
	if joined == "" {
		return nil
	}
	return strings.Split(joined, ",")
}

// Read returns what a Node says of itself and what an administrator says of it. It needs no cluster: the object may
// come from a file. PublicKey and Proof of self are not set: see self.Published.
func Read(object *corev1.Node) (self mesh.Self, o mesh.Overrides) {
	meta := summarizeMeta(&object.ObjectMeta)
	return ParseOwn(summarizeFull(object, meta)), meta.Overrides
}

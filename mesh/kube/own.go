package kube

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"warren.mesh/mesh"
)

// ownSummary is the part of the own Node's full object that is cached. Lists are joined by commas to make it
// comparable.
type ownSummary struct {
	nodeSummary
	podCIDRs, internalIPs string
	// networkUnavailable is the status of the condition of that name; empty without it.
	networkUnavailable corev1.ConditionStatus
}

// summarizeOwn copies what matters of the own Node. It also accepts an ownSummary, as summarizeNode does.
func summarizeOwn(object any) (ownSummary, error) {
	switch o := object.(type) {
	case ownSummary:
		return o, nil
	case *corev1.Node:
		return summarizeFull(o, summarizeMeta(&o.ObjectMeta)), nil
	default:
		return ownSummary{}, fmt.Errorf("summarize the own Node: unexpected type %T", object)
	}
}

func summarizeFull(o *corev1.Node, meta nodeSummary) ownSummary {
	return ownSummary{
		nodeSummary:        meta,
		podCIDRs:           strings.Join(o.Spec.PodCIDRs, ","),
		internalIPs:        strings.Join(internalIPs(o.Status.Addresses), ","),
		networkUnavailable: networkUnavailable(o.Status.Conditions),
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
		if c.Type == corev1.NodeNetworkUnavailable {
			return c.Status
		}
	}
	return ""
}

// parseOwn returns the own Node. Values that cannot be parsed become Problems in Malformed: the rest may suffice, and
// the operator learns of them.
func parseOwn(s ownSummary) mesh.Self {
	self := mesh.Self{
		Name:               s.name,
		UID:                s.uid,
		Created:            s.createdAt(),
		Published:          s.announcement,
		NetworkAvailable:   s.networkUnavailable == corev1.ConditionFalse,
		NetworkUnavailable: s.networkUnavailable == corev1.ConditionTrue,
	}
	for _, text := range split(s.podCIDRs) {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			self.Malformed = append(self.Malformed, malformed(s.name, mesh.FieldPodCIDRs, "spec.podCIDRs", text))
			continue
		}
		self.PodCIDRs = append(self.PodCIDRs, prefix.Masked())
	}
	for _, text := range split(s.internalIPs) {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			self.Malformed = append(self.Malformed,
				malformed(s.name, mesh.FieldNodeIPs, "InternalIP of status.addresses", text))
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

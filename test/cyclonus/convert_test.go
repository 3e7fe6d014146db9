package cyclonus

import (
	"strings"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"warren.mesh/mesh/policy"
)

// convert returns the policy as the API has it.
func convert(p policy.Policy) *networkingv1.NetworkPolicy {
	np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name}}
	np.Spec.PodSelector = *selector(&p.Pods)
	if p.IsolatesIngress {
		np.Spec.PolicyTypes = append(np.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
	}
	if p.IsolatesEgress {
		np.Spec.PolicyTypes = append(np.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
	}
	for _, r := range p.Ingress {
		rule := networkingv1.NetworkPolicyIngressRule{From: peers(r), Ports: ports(r)}
		np.Spec.Ingress = append(np.Spec.Ingress, rule)
	}
	for _, r := range p.Egress {
		np.Spec.Egress = append(np.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: peers(r), Ports: ports(r)})
	}
	return np
}

func selector(s *policy.Selector) *metav1.LabelSelector {
	if s == nil {
		return nil
	}
	of := &metav1.LabelSelector{}
	for _, r := range s.Requirements {
		of.MatchExpressions = append(of.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: r.Key, Operator: metav1.LabelSelectorOperator(r.Operator), Values: r.Values,
		})
	}
	return of
}

func peers(r policy.Rule) (all []networkingv1.NetworkPolicyPeer) {
	for _, p := range r.Peers {
		peer := networkingv1.NetworkPolicyPeer{PodSelector: selector(p.Pods), NamespaceSelector: selector(p.Namespaces)}
		if p.Block != nil {
			peer.IPBlock = &networkingv1.IPBlock{CIDR: p.Block.CIDR.String()}
			for _, e := range p.Block.Except {
				peer.IPBlock.Except = append(peer.IPBlock.Except, e.String())
			}
		}
		all = append(all, peer)
	}
	return all
}

func ports(r policy.Rule) (all []networkingv1.NetworkPolicyPort) {
	for _, p := range r.Ports {
		protocol := protocolOf(p.Protocol)
		port := networkingv1.NetworkPolicyPort{Protocol: &protocol}
		switch {
		case p.Name != "":
			name := intstr.FromString(p.Name)
			port.Port = &name
		case p.Number != 0:
			number := intstr.FromInt32(int32(p.Number))
			port.Port = &number
		}
		if p.End != 0 {
			end := int32(p.End)
			port.EndPort = &end
		}
		all = append(all, port)
	}
	return all
}

func protocolOf(p policy.Protocol) v1.Protocol { return v1.Protocol(strings.ToUpper(string(p))) }

package policies

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"warren.mesh/mesh/policy"
)

// Translate returns what a NetworkPolicy means, with the API's defaults filled in. What cannot be read becomes a value
// that lets nothing through and that package policy reports, at its place, as a Problem; the Problems returned are
// those that a policy.Policy cannot express.
func Translate(o *networkingv1.NetworkPolicy) (policy.Policy, []policy.Problem) {
	t := translator{policy: policy.Policy{
		Namespace: o.Namespace, Name: o.Name, Pods: *selector(&o.Spec.PodSelector),
	}}
	t.types(o.Spec)
	for i, r := range o.Spec.Ingress {
		t.policy.Ingress = append(t.policy.Ingress, t.rule(fmt.Sprintf("spec.ingress[%d]", i), r.From, r.Ports))
	}
	for i, r := range o.Spec.Egress {
		t.policy.Egress = append(t.policy.Egress, t.rule(fmt.Sprintf("spec.egress[%d]", i), r.To, r.Ports))
	}
	return t.policy, t.problems
}

type translator struct {
	policy   policy.Policy
	problems []policy.Problem
}

func (t *translator) refuse(field, reason string) {
	t.problems = append(t.problems, policy.Problem{
		Kind: "NetworkPolicy", Namespace: t.policy.Namespace, Name: t.policy.Name, Field: field, Reason: reason,
	})
}

// types fills in the directions. Without policyTypes a policy isolates ingress, and egress if it has egress rules.
func (t *translator) types(spec networkingv1.NetworkPolicySpec) {
	if len(spec.PolicyTypes) == 0 {
		t.policy.IsolatesIngress, t.policy.IsolatesEgress = true, len(spec.Egress) > 0
		return
	}
	for i, name := range spec.PolicyTypes {
		switch name {
		case networkingv1.PolicyTypeIngress:
			t.policy.IsolatesIngress = true
		case networkingv1.PolicyTypeEgress:
			t.policy.IsolatesEgress = true
		default:
			t.policy.IsolatesIngress, t.policy.IsolatesEgress = true, true
			t.refuse(fmt.Sprintf("spec.policyTypes[%d]", i),
				fmt.Sprintf("%q is neither Ingress nor Egress; the policy isolates its pods in both directions", name))
		}
	}
}

// rule translates one rule. An empty list of peers or ports means all, like one that is missing: protobuf cannot tell
// them apart.
func (t *translator) rule(
	field string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort,
) policy.Rule {
	r := policy.Rule{AllPeers: len(peers) == 0, AllPorts: len(ports) == 0}
	for _, p := range peers {
		r.Peers = append(r.Peers, peer(p))
	}
	for i, p := range ports {
		if port, reason := port(p); reason == "" {
			r.Ports = append(r.Ports, port)
		} else {
			t.refuse(fmt.Sprintf("%s.ports[%d]", field, i), reason+"; it is left out and lets nothing through")
		}
	}
	return r
}

func peer(p networkingv1.NetworkPolicyPeer) policy.Peer {
	translated := policy.Peer{Pods: selector(p.PodSelector), Namespaces: selector(p.NamespaceSelector)}
	if p.IPBlock != nil {
		translated.Block = &policy.Block{CIDR: prefix(p.IPBlock.CIDR)}
		for _, e := range p.IPBlock.Except {
			translated.Block.Except = append(translated.Block.Except, prefix(e))
		}
	}
	return translated
}

// prefix returns the zero value for what cannot be read. Leading zeros are among that: some take 010.0.0.0 for 8.0.0.0.
func prefix(text string) netip.Prefix {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}
	}
	return p.Masked()
}

// port translates one port; reason says why it cannot be read. It looks at what the zero value of policy.Port would
// open: a port without number and name is every port.
func port(p networkingv1.NetworkPolicyPort) (_ policy.Port, reason string) {
	translated := policy.Port{Protocol: policy.TCP}
	if p.Protocol != nil {
		if translated.Protocol = protocol(*p.Protocol); translated.Protocol == "" {
			return policy.Port{}, fmt.Sprintf("protocol %q is none of TCP, UDP and SCTP", *p.Protocol)
		}
	}
	switch {
	case p.Port == nil:
		if p.EndPort != nil {
			return policy.Port{}, "an endPort without a port"
		}
		return translated, ""
	case p.Port.Type == intstr.String:
		if p.Port.StrVal == "" || p.EndPort != nil {
			return policy.Port{}, fmt.Sprintf("port %q is no name of a port, or has an endPort", p.Port.StrVal)
		}
		translated.Name = p.Port.StrVal
		return translated, ""
	case p.Port.Type != intstr.Int || !isPort(p.Port.IntVal):
		return policy.Port{}, fmt.Sprintf("port %d is not between 1 and 65535", p.Port.IntVal)
	}
	translated.Number = uint16(p.Port.IntVal)
	if p.EndPort != nil {
		if !isPort(*p.EndPort) || *p.EndPort < p.Port.IntVal {
			return policy.Port{}, fmt.Sprintf("%d to %d is no range of ports", p.Port.IntVal, *p.EndPort)
		}
		translated.End = uint16(*p.EndPort)
	}
	return translated, ""
}

func isPort(n int32) bool { return 0 < n && n <= math.MaxUint16 }

// protocol returns "" for one that cannot be read.
func protocol(p corev1.Protocol) policy.Protocol {
	switch p {
	case corev1.ProtocolTCP:
		return policy.TCP
	case corev1.ProtocolUDP:
		return policy.UDP
	case corev1.ProtocolSCTP:
		return policy.SCTP
	default:
		return ""
	}
}

// selector returns nil for nil. Operators are copied as they are: package policy knows which it can read.
func selector(s *metav1.LabelSelector) *policy.Selector {
	if s == nil {
		return nil
	}
	translated := &policy.Selector{}
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		translated.Requirements = append(translated.Requirements,
			policy.Requirement{Key: key, Operator: policy.In, Values: []string{s.MatchLabels[key]}})
	}
	for _, e := range s.MatchExpressions {
		translated.Requirements = append(translated.Requirements,
			policy.Requirement{Key: e.Key, Operator: policy.Operator(e.Operator), Values: e.Values})
	}
	return translated
}

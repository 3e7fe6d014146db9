package policy

import (
	"fmt"
	"net/netip"
	"slices"
)

// keeper takes out of a policy what cannot be kept.
type keeper struct {
	policy   Policy
	problems []Problem
}

// keep returns the policy without what cannot be kept. A peer or a port that cannot be read is left out, so it lets
// nothing through. If the pods that the policy isolates cannot be read, it isolates all that meet the rest of the
// selector and lets nothing through. One that is too large isolates its pods and lets nothing through either.
func keep(p Policy) (Policy, []Problem) {
	k := keeper{policy: p}
	kept := p
	kept.Ingress = k.rules(p.Ingress, "spec.ingress", "from")
	kept.Egress = k.rules(p.Egress, "spec.egress", "to")
	readable, ok := k.selector(
		p.Pods,
		"spec.podSelector",
		"all pods of the rest are isolated, and nothing is let through",
	)
	if kept.Pods = readable; !ok {
		kept.Ingress, kept.Egress = nil, nil
	}
	if reason := kept.tooLarge(); reason != "" {
		k.refuse("spec", reason)
		kept.Ingress, kept.Egress = nil, nil
	}
	return kept, k.problems
}

func (k *keeper) refuse(field, reason string) {
	k.problems = append(k.problems, Problem{
		Kind: "NetworkPolicy", Namespace: k.policy.Namespace, Name: k.policy.Name, Field: field, Reason: reason,
	})
}

// rules keeps the rules' number and order: a rule is known by its index.
func (k *keeper) rules(rules []Rule, field, peers string) []Rule {
	kept := make([]Rule, len(rules))
	for i, r := range rules {
		kept[i] = Rule{AllPeers: r.AllPeers, AllPorts: r.AllPorts}
		for j, p := range r.Peers {
			if p, ok := k.peer(p, fmt.Sprintf("%s[%d].%s[%d]", field, i, peers, j)); ok {
				kept[i].Peers = append(kept[i].Peers, p)
			}
		}
		for j, p := range r.Ports {
			if k.port(p, fmt.Sprintf("%s[%d].ports[%d]", field, i, j)) {
				kept[i].Ports = append(kept[i].Ports, p)
			}
		}
	}
	return kept
}

const leftOut = "; it is left out and lets nothing through"

func (k *keeper) peer(p Peer, field string) (Peer, bool) {
	switch {
	case p.Block != nil && (p.Pods != nil || p.Namespaces != nil):
		k.refuse(field, "an ipBlock together with selectors"+leftOut)
		return Peer{}, false
	case p.Block != nil:
		block, ok := k.block(*p.Block, field+".ipBlock")
		return Peer{Block: &block}, ok
	case p.Pods == nil && p.Namespaces == nil:
		k.refuse(field, "neither a selector nor an ipBlock"+leftOut)
		return Peer{}, false
	}
	kept, ok := Peer{}, true
	for _, s := range []struct {
		of   *Selector
		kept **Selector
		name string
	}{{p.Pods, &kept.Pods, ".podSelector"}, {p.Namespaces, &kept.Namespaces, ".namespaceSelector"}} {
		if s.of != nil {
			selector, readable := k.selector(*s.of, field+s.name, "the peer is left out")
			*s.kept, ok = &selector, ok && readable
		}
	}
	return kept, ok
}

// block returns the block with its host bits cleared.
func (k *keeper) block(b Block, field string) (Block, bool) {
	if !readable(b.CIDR) {
		k.refuse(field+".cidr", "no CIDR that can be read"+leftOut)
		return Block{}, false
	}
	kept := Block{CIDR: b.CIDR.Masked()}
	for i, e := range b.Except {
		if !readable(e) {
			k.refuse(fmt.Sprintf("%s.except[%d]", field, i), "no CIDR that can be read; the whole block is left out")
			return Block{}, false
		}
		kept.Except = append(kept.Except, e.Masked())
	}
	return kept, true
}

// readable reports whether an address is known that is in the prefix or not: of an IPv4-mapped IPv6 prefix none is.
func readable(p netip.Prefix) bool { return p.IsValid() && !p.Addr().Is4In6() }

func (k *keeper) port(p Port, field string) bool {
	switch {
	case p.Protocol != TCP && p.Protocol != UDP && p.Protocol != SCTP:
		k.refuse(field+".protocol", "none of TCP, UDP and SCTP"+leftOut)
	case p.End != 0 && (p.Name != "" || p.End < p.Number || p.Number == 0):
		k.refuse(field+".endPort", "not the end of a range of numbers"+leftOut)
	default:
		return true
	}
	return false
}

// selector returns the selector without the requirements that cannot be read, and sorted as Matches wants it; ok is
// false where there are such.
func (k *keeper) selector(s Selector, field, consequence string) (kept Selector, ok bool) {
	for i, r := range s.Requirements {
		switch r.Operator {
		case Exists, DoesNotExist:
		case In, NotIn:
			r.Values = slices.Compact(slices.Sorted(slices.Values(r.Values)))
			if len(r.Values) == 0 {
				k.refuse(fmt.Sprintf("%s requirement %d", field, i), "no values to compare with; "+consequence)
				continue
			}
		default:
			k.refuse(fmt.Sprintf("%s requirement %d", field, i), "an unknown operator; "+consequence)
			continue
		}
		kept.Requirements = append(kept.Requirements, r)
	}
	ok = len(kept.Requirements) == len(s.Requirements)
	kept.Requirements = sorted(kept.Requirements)
	return kept, ok
}

// namedPorts returns the numbers of a pod's ports with the name and protocol, sorted.
func namedPorts(ports []NamedPort, name string, protocol Protocol) (numbers []uint16) {
	for _, p := range ports {
		if p.Name == name && p.Protocol == protocol {
			numbers = append(numbers, p.Number)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

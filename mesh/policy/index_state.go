package policy

import (
	"net/netip"
	"strings"

	"warren.mesh/mesh/nft"
)

// State commits, and returns the whole table: an edit of the next Commit begins there.
func (ix *Index) State() State {
	ix.Commit()
	state, _ := Compile(ix.input())
	return state
}

// Isolated returns the number of attached pods that a policy isolates, in either direction.
func (ix *Index) Isolated() (count int) {
	for _, of := range ix.locals {
		for _, l := range of {
			if l.egress != nil || l.ingress != nil {
				count++
			}
		}
	}
	return count
}

// input returns all that was set.
func (ix *Index) input() (in Input) {
	for _, of := range ix.locals {
		for _, l := range of {
			in.Attached = append(in.Attached, l.Attached)
		}
	}
	for _, of := range ix.pods {
		for _, p := range of {
			in.Pods = append(in.Pods, p.Pod)
		}
	}
	for name, labels := range ix.namespaces {
		in.Namespaces = append(in.Namespaces, Namespace{name, labels})
	}
	for _, of := range ix.statutes {
		for _, s := range of {
			in.Policies = append(in.Policies, s.Policy)
		}
	}
	for _, n := range ix.nodes {
		in.Nodes = append(in.Nodes, *n)
	}
	return in
}

// Problems returns what is not kept, or waits, of all that was set; sorted.
func (ix *Index) Problems() (all []Problem) {
	ix.move()
	for s := range ix.faulty {
		all = append(all, s.problems...)
	}
	for _, of := range ix.locals {
		for _, l := range of {
			if l.pod == nil {
				all = append(all, waiting(l.Attached))
			}
		}
	}
	for p := range ix.astray {
		for _, ip := range p.Addrs {
			if node := ix.nodes[p.Node]; node != nil && !contain(node.PodCIDRs, ip) {
				all = append(all, outside(&p.Pod, ip))
			}
		}
	}
	return sortProblems(append(all, ix.contests()...))
}

// contests tells of the addresses that several pods claim.
func (ix *Index) contests() (all []Problem) {
	for ip, of := range ix.contested {
		var claimants []claimant
		for _, p := range of {
			claimants = append(claimants, claimant{p.Namespace, p.Name, &p.Pod})
		}
		if ix.here[ip] == nil {
			all = append(all, contested(ip, claimants)...)
		}
	}
	for ip, of := range ix.here {
		var claimants []claimant
		for _, l := range of {
			claimants = append(claimants, claimant{namespace: l.Namespace, name: l.Name})
		}
		if len(of) > 1 {
			all = append(all, contested(ip, claimants)...)
		}
	}
	return all
}

// all returns all elements of a set.
func (ix *Index) all(s *set) (elements []nft.Element) {
	switch s.kind {
	case rangeSet:
		nodes := make([]Node, 0, len(ix.nodes))
		for _, n := range ix.nodes {
			nodes = append(nodes, *n)
		}
		return rangeElements(nodes)
	case blockSet, gatewaySet:
		elements = s.fixed()
		for ip, nodes := range ix.gateways {
			elements = append(elements, s.ofGateway(ip, nodes)...)
		}
		return elements
	case podSet, portSet:
	}
	for ip := range ix.here {
		elements = append(elements, ix.ofAddress(s, ip)...)
	}
	if s.group.kind == attached {
		return elements
	}
	for namespace, of := range ix.pods {
		if !s.group.admits(ix.home(namespace)) {
			continue
		}
		for _, p := range of {
			for _, ip := range p.claimed {
				if ix.here[ip] == nil {
					elements = append(elements, ix.ofAddress(s, ip)...)
				}
			}
		}
	}
	return elements
}

func (ix *Index) ofAddress(s *set, ip netip.Addr) []nft.Element {
	if o := ix.owner(ip); o.Pod != nil && s.group.admits(o.home) {
		return s.ofPod(o, ip)
	}
	return nil
}

// difference returns the elements of a that are not in b.
func difference(a, b []nft.Element) (only []nft.Element) {
	if len(a) == 0 {
		return nil
	}
	in := make(map[string]bool, len(b))
	for _, e := range b {
		in[identity(e)] = true
	}
	for _, e := range a {
		if !in[identity(e)] {
			only = append(only, e)
		}
	}
	return only
}

func identity(e nft.Element) string {
	return e.Set + " " + e.Map + " " + strings.Join(e.Key, " ") + " " + strings.Join(e.Value, " ")
}

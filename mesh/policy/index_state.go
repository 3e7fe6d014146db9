package policy

import (
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"warren.mesh/mesh/nft"
)

// State commits, and returns the whole table: an edit of the next Commit begins there.
func (ix *Index) State() State {
	ix.list(ix.commit().fresh)
	ix.changes = newChanges()
	state := State{Table: fixedLayout()}
	state.Pods, state.Isolated, state.Policies = ix.counts()
	profiles, sets := make([]*profile, 0, len(ix.profiles)), make(map[string]*set, len(ix.sets))
	for _, p := range ix.profiles {
		profiles = append(profiles, p.of)
	}
	for name, s := range ix.sets {
		sets[name] = s.of
	}
	add(&state.Table, slices.Collect(maps.Values(sets)), profiles)
	for f, s := range podRanges {
		ix.ranges[f] = nil
		if sets[s.name] != nil {
			ix.ranges[f] = ix.allRanges(s)
		}
	}
	state.Table.Elements = ix.all(sets)
	for ip, s := range ix.standings {
		state.Table.Elements = append(state.Table.Elements, s.elements(ip)...)
	}
	sortElements(state.Table.Elements)
	return state
}

// list puts sets that are new into the catalog.
func (ix *Index) list(fresh map[string]*set) {
	for _, s := range fresh {
		ix.catalog.add(s)
	}
}

// Isolated returns the number of attached and known pods that a policy isolates, in either direction.
func (ix *Index) Isolated() int {
	_, isolated, _ := ix.counts()
	return isolated
}

// counts returns what State tells of them.
func (ix *Index) counts() (pods, isolated, policies int) {
	seen, used := map[*pod]bool{}, map[*statute]bool{}
	for _, of := range ix.locals {
		for _, l := range of {
			if l.pod == nil || seen[l.pod] || !slices.ContainsFunc(l.Addrs, ix.alone) {
				continue
			}
			seen[l.pod] = true
			if l.egress[0] != nil || l.ingress[0] != nil {
				isolated++
			}
			for _, s := range l.selecting {
				used[s] = s.IsolatesEgress || s.IsolatesIngress
			}
		}
	}
	maps.DeleteFunc(used, func(_ *statute, isolates bool) bool { return !isolates })
	return len(seen), isolated, len(used)
}

// alone reports whether one attached pod has the address.
func (ix *Index) alone(ip netip.Addr) bool { return len(ix.here[ip]) == 1 }

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

// all returns all elements of the sets. It asks each pod once, whatever the number of sets.
func (ix *Index) all(sets map[string]*set) (elements []nft.Element) {
	ofPods := catalog{}
	for _, s := range sets {
		ofPods.add(s)
		switch s.kind {
		case podSet, portSet:
		case rangeSet:
			elements = append(elements, ix.ranges[s.family]...)
		case blockSet, gatewaySet, numberSet:
			elements = append(elements, s.fixed()...)
			for ip, nodes := range ix.gateways {
				elements = append(elements, s.ofGateway(ip, nodes)...)
			}
		}
	}
	if len(ofPods) > 0 {
		elements = slices.AppendSeq(elements, ix.ofPods(ofPods))
	}
	return elements
}

// ofPods returns all elements of a catalog's sets.
func (ix *Index) ofPods(c catalog) iter.Seq[nft.Element] {
	return func(yield func(nft.Element) bool) {
		ask := func(shelves []shelf, ip netip.Addr) bool {
			for e := range c.elements(shelves, held{ip, ix.owner(ip)}) {
				if !yield(e) {
					return false
				}
			}
			return true
		}
		for ip, of := range ix.here {
			if !ask(c.of(ix.home(of[0].Namespace)), ip) {
				return
			}
		}
		for namespace, of := range ix.pods {
			shelves := c.of(ix.home(namespace))
			if len(shelves) == 0 {
				continue
			}
			for _, p := range of {
				for _, ip := range p.claimed {
					if ix.here[ip] == nil && !ask(shelves, ip) {
						return
					}
				}
			}
		}
	}
}

// allRanges returns what one of podRanges has.
func (ix *Index) allRanges(s *set) []nft.Element {
	nodes := make([]Node, 0, len(ix.nodes))
	for _, n := range ix.nodes {
		nodes = append(nodes, *n)
	}
	return rangeElements(s, nodes)
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

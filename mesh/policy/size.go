package policy

import (
	"fmt"
	"slices"
)

// What one policy may become on a node, in both families. Whoever may write policies in one namespace must not be able
// to take the daemon, and with it the starts of pods, from each node on which a pod of his runs. A table of 2,048 sets
// and rules more is written within seconds; an attachment waits for ten.
const (
	mostRules    = 2048
	mostElements = 16384
)

// size returns how many of nft's rules the policy becomes, and how many elements: those of sets that follow from it
// alone, and what each pod of the cluster is compared with.
func (p Policy) size() (rules, elements int) {
	elements = p.Pods.size()
	for _, d := range []direction{ingressDirection, egressDirection} {
		if !d.isolates(p) {
			continue
		}
		for _, r := range d.rules(p) {
			ports, numbers, names := d.sizes(r)
			rules += r.matches() * ports
			elements += numbers + names*d.servers(r)
			for _, peer := range r.Peers {
				elements += peer.size()
			}
		}
	}
	return rules, elements
}

// sizes returns how many matches of ports a rule has, and how many numbers and names are in sets of both families.
func (d direction) sizes(r Rule) (matches, numbers, names int) {
	ports := d.ports(r, group{kind: everyPod})
	for _, port := range ports {
		for _, s := range slices.Concat(port.sets[0], port.sets[1]) {
			numbers, names = numbers+len(s.numbers), names+len(s.ports)
		}
	}
	return len(ports), numbers, names
}

// matches returns how many matches of peers the rule has in both families.
func (r Rule) matches() (n int) {
	if r.AllPeers {
		return 2
	}
	peers, blocks := r.blocks()
	for _, of := range blocks {
		n += min(1, len(of))
	}
	for _, p := range peers {
		n++
		if p.Block == nil {
			n++
		}
	}
	return n
}

// servers returns how many groups of pods have the rule's names in a set of their own: named.
func (d direction) servers(r Rule) (n int) {
	if d.ingress {
		return 1
	}
	for _, p := range r.Peers {
		if p.Block == nil && !p.everybody() {
			n++
		}
	}
	return max(1, n)
}

func (p Peer) size() (n int) {
	if p.Block != nil {
		return 1 + len(p.Block.Except)
	}
	for _, s := range []*Selector{p.Pods, p.Namespaces} {
		if s != nil {
			n += s.size()
		}
	}
	return n
}

// costOfRequirement is as how many values a requirement counts: for each, a pod's labels are looked through.
const costOfRequirement = 4

// size returns how many values labels are compared with.
func (s Selector) size() (n int) {
	for _, r := range s.Requirements {
		n += costOfRequirement + len(r.Values)
	}
	return n
}

// tooLarge says what is wrong with the policy's size; empty if nothing is.
func (p Policy) tooLarge() string {
	const remedy = "; the pods that it selects are isolated, and nothing is let through: " +
		"name fewer peers, exceptions, ports and labels, or write several policies"
	switch rules, elements := p.size(); {
	case rules > mostRules:
		return fmt.Sprintf("it becomes %d rules of nftables, and %d is the most%s", rules, mostRules, remedy)
	case elements > mostElements:
		return fmt.Sprintf("its blocks, ports and selectors are %d elements, and %d is the most%s", elements,
			mostElements, remedy)
	default:
		return ""
	}
}

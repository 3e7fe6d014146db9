package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// portRange is the ports from first to last.
type portRange struct{ first, last uint16 }

// several reports whether it is more than one port.
func (r portRange) several() bool { return r.last > r.first }

// String returns "80" or "8000-8010", as the kernel's listing has an element of a set.
func (r portRange) String() string {
	if r.several() {
		return fmt.Sprintf("%d-%d", r.first, r.last)
	}
	return strconv.Itoa(int(r.first))
}

// portMatch is a match of the server's port; before is what is cheapest, and says nothing of addresses.
type portMatch struct {
	match
	before string
}

// fewPorts is how many numbers of one protocol, and how many names, of a rule with one peer or none are matched one by
// one. So one more changes no other match, and whatever the others have let through is not judged again.
const fewPorts = 16

// ports matches the ports of a rule, once for each of its peers. Where a rule has several peers or many ports, the
// numbers of one protocol are one match, and so are its names: else the table would grow with the product of peers and
// ports. nft must have read the protocol before it knows how large a port is.
func (d direction) ports(r Rule, peers group) (all []portMatch) {
	if r.AllPorts {
		return []portMatch{{}}
	}
	together := func(ports int) bool { return ports > fewPorts || ports > 1 && len(r.Peers) > 1 }
	for _, protocol := range []Protocol{TCP, UDP, SCTP} {
		of := portsOf(r, protocol)
		before := "meta l4proto " + string(protocol)
		switch {
		case of.all:
			all = append(all, portMatch{before: before})
			continue
		case together(len(of.numbers)):
			all = append(all, inSet(before, of.numbers))
		default:
			for _, n := range of.numbers {
				all = append(all, portMatch{before: before + " ct reply proto-src " + n.String()})
			}
		}
		if together(len(of.names)) {
			all = append(all, d.named(before, of.names, peers))
			continue
		}
		for _, p := range of.names {
			all = append(all, d.named(before, []Port{p}, peers))
		}
	}
	return all
}

func inSet(before string, numbers []portRange) portMatch {
	m := portMatch{before: before}
	for f := range families {
		m.sets[f] = []*set{newNumberSet(f, numbers)}
		m.texts[f] = "ct reply proto-src @" + m.sets[f][0].name
	}
	return m
}

// named matches ports with one of the names by those of the pods that may be the server: of this node, or of the peer.
func (d direction) named(before string, names []Port, peers group) portMatch {
	if d.ingress {
		peers = group{kind: attached}
	}
	m := portMatch{before: before}
	for f, family := range families {
		of := newPortSet(f, peers, names)
		m.sets[f] = []*set{of}
		m.texts[f] = fmt.Sprintf("ct reply %s saddr . meta l4proto . ct reply proto-src @%s", family.word, of.name)
	}
	return m
}

// protocolPorts are a rule's ports of one protocol.
type protocolPorts struct {
	// all says that the rule has all of them, whatever else it has.
	all     bool
	numbers []portRange
	names   []Port
}

// portsOf returns the rule's ports of the protocol, sorted, each once. Ranges are merged where they meet, so that one
// set of intervals holds them; numbers alone stay numbers.
func portsOf(r Rule, protocol Protocol) (of protocolPorts) {
	for _, p := range r.Ports {
		switch {
		case p.Protocol != protocol:
		case p.Name != "":
			of.names = append(of.names, p)
		case p.Number == 0:
			of.all = true
		default:
			of.numbers = append(of.numbers, portRange{p.Number, max(p.Number, p.End)})
		}
	}
	slices.SortFunc(of.names, func(a, b Port) int { return cmp.Compare(a.Name, b.Name) })
	of.names = slices.Compact(of.names)
	slices.SortFunc(of.numbers, func(a, b portRange) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last))
	})
	of.numbers = slices.Compact(of.numbers)
	if slices.ContainsFunc(of.numbers, portRange.several) {
		of.numbers = merged(of.numbers)
	}
	return of
}

// merged returns sorted ranges with those that meet as one.
func merged(sorted []portRange) (all []portRange) {
	for _, r := range sorted {
		if last := len(all) - 1; last >= 0 && int(r.first) <= int(all[last].last)+1 {
			all[last].last = max(all[last].last, r.last)
			continue
		}
		all = append(all, r)
	}
	return all
}

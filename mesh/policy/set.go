package policy

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"warren.mesh/mesh/nft"
)

// set is one of the table's sets. Its name ends in that of its family.
type set struct {
	name, comment string
	family        int // in families
	kind          setKind
	group         group
	spans         []span      // of the blocks
	ports         []Port      // by name, sorted
	numbers       []portRange // of numberSet
}

type setKind int

const (
	podSet     setKind = iota // the addresses of a group
	portSet                   // named ports of a group: address . protocol . number
	blockSet                  // the addresses of blocks, and the gateways of nodes in them
	rangeSet                  // the pod CIDRs of all nodes
	gatewaySet                // the gateways of all nodes, which are within these
	numberSet                 // ports by number, of any server
)

func newPodSet(f int, g group) *set {
	return &set{
		name: inFamily(contentName("sel", g.content()), f), comment: comment(g.String()), family: f, kind: podSet,
		group: g,
	}
}

// newPortSet returns the set of the ports that have one of the names, which are of one protocol, sorted and different.
func newPortSet(f int, g group, ports []Port) *set {
	var contents, names []string
	for _, p := range ports {
		contents, names = append(contents, p.Name+" "+string(p.Protocol)), append(names, p.Name)
	}
	text := g.String() + ": port " + strings.Join(names, ", ")
	return &set{
		name:    inFamily(contentName("port", strings.Join(contents, ", ")+" "+g.content()), f),
		comment: comment(text), family: f, kind: portSet, group: g, ports: ports,
	}
}

func newNumberSet(f int, numbers []portRange) *set {
	var texts []string
	for _, r := range numbers {
		texts = append(texts, r.String())
	}
	text := strings.Join(texts, " ")
	return &set{
		name: inFamily(contentName("num", text), f), comment: comment("ports " + text), family: f, kind: numberSet,
		numbers: numbers,
	}
}

// newBlockSet returns the set of the blocks' addresses. Its name and its comment follow from these, and not from how
// the blocks are spelled: nothing overlaps in an edit, and what several policies spell is one set. The blocks are of
// one family.
func newBlockSet(blocks ...Block) *set {
	spans := union(blocks)
	var texts []string
	for _, s := range spans {
		texts = append(texts, nft.Range(s.first, s.last))
	}
	text, f := strings.Join(texts, " "), familyOf(blocks[0].CIDR.Addr())
	return &set{
		name: inFamily(contentName("blk", text), f), comment: comment(cmp.Or(text, "no address")), family: f,
		kind: blockSet, spans: spans,
	}
}

var podRanges, podGateways = newFixed("pod-ranges", rangeSet, "pod CIDRs of all nodes"),
	newFixed("pod-gateways", gatewaySet, "nodes' own addresses in their pod CIDRs")

// newFixed returns a set for each family that does not depend on policies.
func newFixed(name string, kind setKind, comment string) (both [2]*set) {
	for f := range families {
		both[f] = &set{name: inFamily(name, f), comment: comment, family: f, kind: kind}
	}
	return both
}

// families are the address families' suffixes of names, with their types of addresses and their words in rules.
var families = [2]struct{ suffix, kind, word string }{{"4", "ipv4_addr", "ip"}, {"6", "ipv6_addr", "ip6"}}

// familyOf returns the address's place in families.
func familyOf(ip netip.Addr) int {
	if ip.Is4() {
		return 0
	}
	return 1
}

// inFamily returns the name of something of a family.
func inFamily(name string, f int) string { return name + "-" + families[f].suffix }

// layout returns the set as it is in the table.
func (s *set) layout() nft.Set {
	of := nft.Set{
		Name: s.name, Comment: s.comment, Type: families[s.family].kind,
		Interval: s.kind == blockSet || s.kind == rangeSet || slices.ContainsFunc(s.numbers, portRange.several),
	}
	if s.kind == portSet {
		of.Type += " . inet_proto . inet_service"
	}
	if s.kind == numberSet {
		of.Type = "inet_service"
	}
	return of
}

func (s *set) element(key ...string) nft.Element { return nft.Element{Set: s.name, Key: key} }

// ofPod returns the elements that a set of pods has because of a pod that has the address.
func (s *set) ofPod(o owner, ip netip.Addr) (elements []nft.Element) {
	switch {
	case o.Pod == nil || familyOf(ip) != s.family || !s.group.has(o):
	case s.kind == podSet:
		return []nft.Element{s.element(ip.String())}
	case s.kind == portSet:
		known := map[uint16]bool{}
		for _, port := range o.Ports {
			if s.names(port) && !known[port.Number] {
				text := strconv.Itoa(int(port.Number))
				elements = append(elements, s.element(ip.String(), string(port.Protocol), text))
				known[port.Number] = true // it may have another name, too
			}
		}
	}
	return elements
}

// names reports whether a port is among the set's, which are of one protocol and sorted by name.
func (s *set) names(port NamedPort) bool {
	i, found := slices.BinarySearchFunc(s.ports, port.Name, func(p Port, name string) int {
		return cmp.Compare(p.Name, name)
	})
	return found && s.ports[i].Protocol == port.Protocol
}

// fixed returns the elements that follow from the set alone: a block's without its gateways.
func (s *set) fixed() (elements []nft.Element) {
	for _, a := range s.spans {
		elements = append(elements, s.element(nft.Range(a.first, a.last)))
	}
	for _, r := range s.numbers {
		elements = append(elements, s.element(r.String()))
	}
	return elements
}

// ofGateway returns the element that a set has because nodes have the gateway.
func (s *set) ofGateway(gateway netip.Addr, nodes []*Node) []nft.Element {
	if familyOf(gateway) != s.family {
		return nil
	}
	if s.kind == gatewaySet && len(nodes) > 0 || s.kind == blockSet && s.wants(gateway, nodes) {
		return []nft.Element{s.element(gateway.String())}
	}
	return nil
}

// wants reports whether a block's set has a gateway of the nodes as an element of its own.
func (s *set) wants(gateway netip.Addr, nodes []*Node) bool {
	return !s.contains(gateway) &&
		slices.ContainsFunc(nodes, func(n *Node) bool { return slices.ContainsFunc(n.InternalIPs, s.contains) })
}

// contains reports whether the address is in one of the blocks.
func (s *set) contains(ip netip.Addr) bool {
	i, found := slices.BinarySearchFunc(s.spans, ip, func(s span, ip netip.Addr) int { return s.first.Compare(ip) })
	return found || i > 0 && ip.BitLen() == s.spans[i-1].last.BitLen() && ip.Compare(s.spans[i-1].last) <= 0
}

// prefixText returns a prefix as the kernel's listing has it: a single address is without its length.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

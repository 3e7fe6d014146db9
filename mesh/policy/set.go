package policy

import (
	"fmt"
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
	block         Block
	prefixes      []netip.Prefix // of the block
	port          Port           // by name
	numbers       []uint16       // of numberSet
}

type setKind int

const (
	podSet     setKind = iota // the addresses of a group
	portSet                   // the named ports of a group: address . protocol . number
	blockSet                  // the addresses of a block, and the gateways of nodes in it
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

func newPortSet(f int, g group, p Port) *set {
	return &set{
		name:    inFamily(contentName("port", p.Name+" "+string(p.Protocol)+" "+g.content()), f),
		comment: comment(g.String() + ": port " + p.Name), family: f, kind: portSet, group: g, port: p,
	}
}

func newNumberSet(f int, numbers []uint16) *set {
	text := strings.Trim(fmt.Sprint(numbers), "[]")
	return &set{
		name: inFamily(contentName("num", text), f), comment: comment("ports " + text), family: f, kind: numberSet,
		numbers: numbers,
	}
}

func newBlockSet(b Block) *set {
	f := familyOf(b.CIDR.Addr())
	return &set{
		name: inFamily(contentName("blk", b.String()), f), comment: comment(b.String()), family: f, kind: blockSet,
		block: b, prefixes: b.prefixes(),
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
		Interval: s.kind == blockSet || s.kind == rangeSet,
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
		for _, number := range namedPorts(o.Ports, s.port.Name, s.port.Protocol) {
			elements = append(elements, s.element(ip.String(), string(s.port.Protocol), strconv.Itoa(int(number))))
		}
	}
	return elements
}

// fixed returns the elements that follow from the set alone: a block's without its gateways.
func (s *set) fixed() (elements []nft.Element) {
	for _, p := range s.prefixes {
		elements = append(elements, s.element(prefixText(p)))
	}
	for _, number := range s.numbers {
		elements = append(elements, s.element(strconv.Itoa(int(number))))
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
	return !s.block.contains(gateway) &&
		slices.ContainsFunc(nodes, func(n *Node) bool { return slices.ContainsFunc(n.InternalIPs, s.block.contains) })
}

// prefixText returns a prefix as the kernel's listing has it: a single address is without its length.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

package policy

import (
	"net/netip"
	"slices"
	"strconv"

	"warren.mesh/mesh/nft"
)

// set is a pair of sets of the table, one of each family: their names end in -4 and -6.
type set struct {
	name, comment string
	kind          setKind
	group         group
	block         Block
	prefixes      []netip.Prefix // of the block
	port          Port           // by name
}

type setKind int

const (
	podSet     setKind = iota // the addresses of a group
	portSet                   // the named ports of a group: address . protocol . number
	blockSet                  // the addresses of a block, and the gateways of nodes in it
	rangeSet                  // the pod CIDRs of all nodes
	gatewaySet                // the gateways of all nodes, which are within these
)

func newPodSet(g group) *set {
	return &set{name: contentName("sel", g.content()), comment: comment(g.String()), kind: podSet, group: g}
}

func newPortSet(g group, p Port) *set {
	return &set{
		name: contentName("port", p.Name+" "+string(p.Protocol)+" "+g.content()), kind: portSet, group: g, port: p,
		comment: comment(g.String() + ": port " + p.Name),
	}
}

func newBlockSet(b Block) *set {
	return &set{
		name: contentName("blk", b.String()), comment: comment(b.String()), kind: blockSet, block: b,
		prefixes: b.prefixes(),
	}
}

var (
	podRanges   = &set{name: "pod-ranges", kind: rangeSet, comment: "pod CIDRs of all nodes"}
	podGateways = &set{name: "pod-gateways", kind: gatewaySet, comment: "nodes' own addresses in their pod CIDRs"}
)

// families are the address families' suffixes of names, with their types of addresses and their words in rules.
var families = []struct {
	suffix, kind, word string
	v4                 bool
}{{"4", "ipv4_addr", "ip", true}, {"6", "ipv6_addr", "ip6", false}}

// layouts returns the sets as they are in the table. A block is of one family.
func (s *set) layouts() (all []nft.Set) {
	for _, f := range families {
		if s.kind == blockSet && s.block.CIDR.Addr().Is4() != f.v4 {
			continue
		}
		of := nft.Set{
			Name: s.name + "-" + f.suffix, Comment: s.comment, Type: f.kind,
			Interval: s.kind == blockSet || s.kind == rangeSet,
		}
		if s.kind == portSet {
			of.Type += " . inet_proto . inet_service"
		}
		all = append(all, of)
	}
	return all
}

func (s *set) element(ip netip.Addr, key ...string) nft.Element {
	return nft.Element{Set: s.name + "-" + family(ip), Key: key}
}

func family(ip netip.Addr) string {
	if ip.Is4() {
		return "4"
	}
	return "6"
}

// ofPod returns the elements that a set of pods has because of a pod that has the address.
func (s *set) ofPod(o owner, ip netip.Addr) (elements []nft.Element) {
	switch {
	case o.Pod == nil || !s.group.has(o):
	case s.kind == podSet:
		return []nft.Element{s.element(ip, ip.String())}
	case s.kind == portSet:
		for _, number := range namedPorts(o.Ports, s.port.Name, s.port.Protocol) {
			key := []string{ip.String(), string(s.port.Protocol), strconv.Itoa(int(number))}
			elements = append(elements, s.element(ip, key...))
		}
	}
	return elements
}

// fixed returns a block's own elements, without its gateways.
func (s *set) fixed() (elements []nft.Element) {
	for _, p := range s.prefixes {
		elements = append(elements, s.element(p.Addr(), prefixText(p)))
	}
	return elements
}

// ofGateway returns the element that a set has because nodes have the gateway.
func (s *set) ofGateway(gateway netip.Addr, nodes []*Node) []nft.Element {
	if s.kind == gatewaySet && len(nodes) > 0 || s.kind == blockSet && s.wants(gateway, nodes) {
		return []nft.Element{s.element(gateway, gateway.String())}
	}
	return nil
}

// wants reports whether a block's set has a gateway of the nodes as an element of its own.
func (s *set) wants(gateway netip.Addr, nodes []*Node) bool {
	return gateway.Is4() == s.block.CIDR.Addr().Is4() && !s.block.contains(gateway) &&
		slices.ContainsFunc(nodes, func(n *Node) bool { return slices.ContainsFunc(n.InternalIPs, s.block.contains) })
}

// prefixText returns a prefix as the kernel's listing has it: a single address is without its length.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

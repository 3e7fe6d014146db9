package mesh

import (
	"fmt"
	"net/netip"

	"warren.mesh/keys"
)

// members are the nodes that were accepted so far, indexed by everything that only one node may have.
type members struct {
	cfg       Config
	keys      map[keys.Public]string
	pods      ranges
	ips       ranges
	endpoints ranges
}

func newMembers(cfg Config) *members { return &members{cfg: cfg, keys: map[keys.Public]string{}} }

func (m *members) add(n Node) {
	m.keys[n.PublicKey] = n.Name
	for _, p := range n.PodCIDRs {
		m.pods.add(p, n.Name)
	}
	for _, ip := range n.NodeIPs {
		m.ips.add(host(ip), n.Name)
	}
	for _, e := range n.Endpoints {
		m.endpoints.add(host(e.Addr()), n.Name)
	}
}

// conflict returns why n cannot be a member, whatever is left out of it: its key or a pod CIDR is in conflict with the
// configuration, with itself or with a member; nil if nothing is.
func (m *members) conflict(n Node) *Problem {
	problem := func(field Field, format string, args ...any) *Problem {
		return &Problem{Node: n.Name, Field: field, Reason: fmt.Sprintf(format, args...)}
	}
	if other, taken := m.keys[n.PublicKey]; taken {
		return problem(FieldPublicKey, "%v is the key of node %s too: give this node a key of its own",
			n.PublicKey, other)
	}
	for _, p := range n.PodCIDRs {
		if reason := m.podCIDRConflict(p); reason != "" {
			return problem(FieldPodCIDRs, "%s", reason)
		}
	}
	return nil
}

// podCIDRConflict returns why p cannot be the pod CIDR of a new member; empty if it can.
func (m *members) podCIDRConflict(p netip.Prefix) string {
	if len(m.cfg.ClusterCIDRs) > 0 && !within(m.cfg.ClusterCIDRs, p) {
		return fmt.Sprintf("%v is not inside the cluster CIDRs %s", p, join(m.cfg.ClusterCIDRs, netip.Prefix.String))
	}
	if cidr, ok := overlapping(m.cfg.NodeCIDRs, p); ok {
		return fmt.Sprintf("%v overlaps with the node CIDR %v", p, cidr)
	}
	if other, taken := m.pods.find(p); taken {
		return fmt.Sprintf("%v overlaps with %v of node %s", p, other.prefix, other.node)
	}
	if other, taken := m.ips.find(p); taken {
		return fmt.Sprintf("%v contains the address %v of node %s", p, other.prefix.Addr(), other.node)
	}
	if other, taken := m.endpoints.find(p); taken {
		return fmt.Sprintf("%v contains the endpoint address %v of node %s", p, other.prefix.Addr(), other.node)
	}
	return ""
}

// addressConflict returns why ip cannot be an address of n on the underlay, empty if it can: packets to pod CIDRs go
// into the mesh.
func (m *members) addressConflict(ip netip.Addr, n Node) string {
	if cidr, ok := overlapping(m.cfg.ClusterCIDRs, host(ip)); ok {
		return fmt.Sprintf("%v is inside the cluster CIDR %v", ip, cidr)
	}
	if cidr, ok := overlapping(n.PodCIDRs, host(ip)); ok {
		return fmt.Sprintf("%v is inside the node's own pod CIDR %v", ip, cidr)
	}
	if other, taken := m.pods.holds(ip); taken {
		return fmt.Sprintf("%v is inside the pod CIDR %v of node %s", ip, other.prefix, other.node)
	}
	return ""
}

// addFailClosed adds the addresses and pod CIDRs of a node that was left out, unless they belong to members or are
// outside the node CIDRs.
func (m *members) addFailClosed(n Node, ips, pods *ranges) {
	for _, ip := range n.NodeIPs {
		if m.nodeIPConflict(ip, Node{}) == "" {
			ips.add(host(ip), n.Name)
		}
	}
	for _, p := range n.PodCIDRs {
		if m.podCIDRConflict(p) == "" {
			pods.add(p, n.Name)
		}
	}
}

// within reports whether one of cidrs contains all of p.
func within(cidrs []netip.Prefix, p netip.Prefix) bool {
	cidr, ok := overlapping(cidrs, p)
	return ok && cidr.Bits() <= p.Bits()
}

// overlapping returns the first of cidrs that overlaps with p.
func overlapping(cidrs []netip.Prefix, p netip.Prefix) (netip.Prefix, bool) {
	for _, cidr := range cidrs {
		if cidr.Overlaps(p) {
			return cidr, true
		}
	}
	return netip.Prefix{}, false
}

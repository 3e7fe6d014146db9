package mesh

import (
	"fmt"
	"net/netip"
)

// maxListed is how many Problems of one kind a node gets; one more says how many there are beyond. Somebody who writes
// thousands of addresses does not fill the log.
const maxListed = 8

// admit returns n as a member: without the node IPs and endpoints that it may not have, of which each is a Problem. ok
// is false if n cannot be a member at all. What costs membership is what nothing can be left out of: an announcement
// that cannot be read, the key, a pod CIDR, and the last endpoint. admit does not add n.
func (m *members) admit(n Node) (member Node, problems []Problem, ok bool) {
	if len(n.Malformed) > 0 {
		return n, n.Malformed, false
	}
	if problem := m.conflict(n); problem != nil {
		return n, []Problem{*problem}, false
	}
	member, problems = m.withoutConflicts(n)
	return member, problems, len(member.Endpoints) > 0 || len(n.Endpoints) == 0
}

// withoutConflicts returns n without the node IPs and endpoints that it may not have, and why.
//
// An address that two nodes list stays the elder's. If nobody had it, a newcomer could take any address off the mesh.
// An endpoint may be the address of another node: that node's administrator may have forwarded a port, and WireGuard
// packets that reach the wrong node harm nobody.
func (m *members) withoutConflicts(n Node) (Node, []Problem) {
	ips, lostIPs := split(n.NodeIPs, func(ip netip.Addr) string { return m.nodeIPConflict(ip, n) })
	endpoints, lostEndpoints := split(n.Endpoints, func(e netip.AddrPort) string {
		if reason := m.addressConflict(e.Addr(), n); reason != "" {
			return reason + ": packets to it would enter the mesh again"
		}
		return ""
	})
	n.NodeIPs, n.Endpoints = ips, endpoints
	return n, append(few(n.Name, FieldNodeIPs, lostIPs), few(n.Name, FieldEndpoint, lostEndpoints)...)
}

// nodeIPConflict returns why ip cannot be an address of n; empty if it can.
func (m *members) nodeIPConflict(ip netip.Addr, n Node) string {
	if other, taken := m.ips.holds(ip); taken {
		return fmt.Sprintf("%v is an address of node %s too, which is older and keeps it: remove it from one of the "+
			"two Nodes, or delete Node %s if it is gone", ip, other.node, other.node)
	}
	if reason := m.addressConflict(ip, n); reason != "" {
		return reason
	}
	return m.cfg.foreignNodeIP(ip)
}

// foreignNodeIP returns why ip is outside the node CIDRs; empty if it is inside, or if none of its address family are
// configured. Such an address is neither routed nor guarded: else one node could lead the cluster's traffic to any
// address of the Internet to itself, or stop it.
func (c Config) foreignNodeIP(ip netip.Addr) string {
	var ranges []netip.Prefix
	for _, cidr := range c.NodeCIDRs {
		if familyOf(cidr.Addr()) == familyOf(ip) {
			ranges = append(ranges, cidr)
		}
	}
	if _, inside := overlapping(ranges, host(ip)); inside || len(ranges) == 0 {
		return ""
	}
	return fmt.Sprintf("%v is outside the node CIDRs %s: what pods send there leaves the mesh in plain text; remove "+
		"it from the Node or add its range to --node-cidrs, on all nodes alike", ip, join(ranges, netip.Prefix.String))
}

// split returns the values without a conflict, and the conflicts of the others.
func split[T any](list []T, conflict func(T) string) (kept []T, conflicts []string) {
	for _, value := range list {
		if reason := conflict(value); reason != "" {
			conflicts = append(conflicts, reason)
		} else {
			kept = append(kept, value)
		}
	}
	return kept, conflicts
}

// few returns a Problem for each of the first reasons and, if there are more, one with their number.
func few(node string, field Field, reasons []string) []Problem {
	var problems []Problem
	for i, reason := range reasons {
		if i == maxListed {
			reason = fmt.Sprintf("and %d more are left out", len(reasons)-maxListed)
		}
		problems = append(problems, Problem{Node: node, Field: field, Reason: reason})
		if i == maxListed {
			break
		}
	}
	return problems
}

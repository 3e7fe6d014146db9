package mesh

import (
	"cmp"
	"slices"
)

// decision says which nodes are in the mesh, as this node sees it.
type decision struct {
	// own is the own node without the addresses that are another's.
	own Node
	// peers are the other members, likewise, in the order of their creation.
	peers []Node
	// ips and pods are the addresses and pod CIDRs of nodes that were left out. They stay fail-closed.
	ips, pods ranges
	problems  []Problem
}

// decide accepts each node, without what it may not have, or leaves it out. It goes through the nodes in the order of
// their creation, so that all nodes decide alike, whatever the order of their lists, and a newcomer never harms an
// incumbent.
func decide(cfg Config, own Node, nodes []Node) decision {
	own, others := own.among(nodes)
	all := append([]Node{own}, others...)
	slices.SortFunc(all, byAge)

	d := decision{own: own}
	var out []Node
	m := newMembers(cfg)
	lost := false
	for _, n := range all {
		member, problems, ok := m.admit(n)
		switch isSelf := n.Name == own.Name; {
		case ok && isSelf:
			m.add(member)
			d.own = member
		case ok:
			m.add(member)
			d.peers = append(d.peers, member)
		case isSelf:
			lost = true
		default:
			out = append(out, n)
		}
		d.problems = append(d.problems, problems...)
	}
	if lost {
		m, out = d.keepSelf(m, own, out)
	}
	for _, n := range out {
		m.addFailClosed(n, &d.ips, &d.pods)
	}
	return d
}

// keepSelf decides again for a node that all others leave out; accepted are these others. It keeps its own pod CIDRs,
// because pods already use them, and leaves out locally every node in conflict with them. Of its addresses it keeps
// those that are nobody else's. The Problems name the own node: the others are in the right. Its endpoint does not
// count, because nothing is sent there from here.
//
// If it has the key of another node, it leaves out all nodes. Peers that hear from it would take it for that other
// node, as WireGuard knows nodes by their keys and follows them wherever they roam, and would send that node's traffic
// here.
func (d *decision) keepSelf(accepted *members, own Node, out []Node) (*members, []Node) {
	own.Endpoints = nil
	own, problems := accepted.withoutConflicts(own)
	d.own, d.problems = own, append(d.problems, problems...)
	m := newMembers(accepted.cfg)
	m.add(own)
	peers := d.peers
	d.peers = nil
	cloned := slices.ContainsFunc(peers, func(n Node) bool { return n.PublicKey == own.PublicKey })
	for _, n := range peers {
		alone := newMembers(accepted.cfg)
		alone.add(n)
		problem := alone.conflict(own)
		if problem != nil {
			d.problems = append(d.problems, *problem)
		}
		if problem != nil || cloned {
			out = append(out, n)
			continue
		}
		m.add(n)
		d.peers = append(d.peers, n)
	}
	return m, out
}

// among returns the own node, n, with the administrator's part of its entry in nodes, and the other nodes that have
// announced something. The rest of n's entry does not count: what the daemon publishes may not have arrived there yet.
func (n Node) among(nodes []Node) (own Node, others []Node) {
	own = n
	for _, n := range nodes {
		switch {
		case n.Name != own.Name:
			if n.Announced() {
				others = append(others, n)
			}
		case n.UID == own.UID:
			own.Endpoints, own.Keepalive = n.Endpoints, n.Keepalive
			for _, p := range n.Malformed {
				if p.Field == FieldForceEndpoint || p.Field == FieldKeepalive {
					own.Malformed = append(own.Malformed, p)
				}
			}
		}
	}
	return own, others
}

// byAge orders nodes by creation, then by UID.
func byAge(a, b Node) int {
	return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.UID, b.UID), cmp.Compare(a.Name, b.Name))
}

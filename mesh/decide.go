package mesh

import (
	"cmp"
	"slices"
)

// decision is which nodes are in the mesh, as this node sees it.
type decision struct {
	// peers are the members but for self, in the order of their creation.
	peers []Node
	// ips and pods are what is guarded of nodes that were left out.
	ips, pods ranges
	problems  []Problem
}

// decide accepts or leaves out each node. They are asked in the order of creation, so that every node that reads the
// same list decides alike, whatever the order it came in, and a newcomer never harms an incumbent.
func decide(cfg Config, own Node, nodes []Node) decision {
	own, others := own.among(nodes)
	all := append([]Node{own}, others...)
	slices.SortFunc(all, byAge)

	var d decision
	var out []Node
	m := newMembers(cfg)
	lost := false
	for _, n := range all {
		problems := m.refuse(n)
		switch isSelf := n.Name == own.Name; {
		case len(problems) == 0:
			m.add(n)
			if !isSelf {
				d.peers = append(d.peers, n)
			}
		case isSelf:
			lost = true
		default:
			out = append(out, n)
		}
		d.problems = append(d.problems, problems...)
	}
	if lost {
		m, out = d.keepSelf(cfg, own, out)
	}
	for _, n := range out {
		m.guard(n, &d.ips, &d.pods)
	}
	return d
}

// keepSelf is for a node that all others leave out: it keeps what is its own, because pods already use it, and leaves
// out locally whoever that conflicts with. The Problems are its own; the others are in the right. Its endpoint does not
// count: nothing is sent there from here.
//
// With another's key it leaves out everybody. Whoever heard from it would take it for that other node, as WireGuard knows
// nodes by their keys and follows them wherever they roam, and would send that node's traffic here.
func (d *decision) keepSelf(cfg Config, own Node, out []Node) (*members, []Node) {
	own.Endpoints = nil
	m := newMembers(cfg)
	m.add(own)
	peers := d.peers
	d.peers = nil
	cloned := slices.ContainsFunc(peers, func(n Node) bool { return n.PublicKey == own.PublicKey })
	for _, n := range peers {
		alone := newMembers(cfg)
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

// refuse is why n cannot be a member.
func (m *members) refuse(n Node) []Problem {
	if len(n.Malformed) > 0 {
		return n.Malformed
	}
	if problem := m.conflict(n); problem != nil {
		return []Problem{*problem}
	}
	return nil
}

// among returns the own node with the administrator's part of its entry in nodes, and the other nodes that have announced
// something. The rest of the own entry does not count: what the daemon publishes may not have arrived there yet.
func (n Node) among(nodes []Node) (own Node, others []Node) {
	own = n
	for _, n := range nodes {
		switch {
		case n.Name != own.Name:
			if n.Announced() {
				others = append(others, n)
			}
		case n.UID == own.UID:
			own.Endpoints = n.Endpoints
			for _, p := range n.Malformed {
				if p.Field == FieldForceEndpoint || p.Field == FieldKeepalive {
					own.Malformed = append(own.Malformed, p)
				}
			}
		}
	}
	return own, others
}

func byAge(a, b Node) int {
	return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.UID, b.UID), cmp.Compare(a.Name, b.Name))
}

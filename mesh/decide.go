package mesh

import (
	"cmp"
	"slices"
)

// decision says which nodes are in the mesh, as this node sees it.
type decision struct {
	// peers are the members without the own node, in the order of their creation.
	peers []Node
	// ips and pods are the addresses and pod CIDRs of nodes that were left out. They stay fail-closed.
	ips, pods ranges
	problems  []Problem
}

// decide accepts each node or leaves it out. It goes through the nodes in the order of their creation, so that all
// nodes decide alike, whatever the order of their lists, and a newcomer never harms an incumbent.
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
		m.addFailClosed(n, &d.ips, &d.pods)
	}
	return d
}

// keepSelf decides again for a node that all others leave out. It keeps its own pod CIDRs and addresses, because pods
// already use them, and leaves out locally every node in conflict with them. The Problems name the own node: the others
// are in the right. Its endpoint does not count, because nothing is sent there from here.
//
// If it has the key of another node, it leaves out all nodes. Peers that hear from it would take it for that other
// node, as WireGuard knows nodes by their keys and follows them wherever they roam, and would send that node's traffic
// here.
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

// refuse returns the reasons why n cannot be a member; none if it can.
func (m *members) refuse(n Node) []Problem {
	if len(n.Malformed) > 0 {
		return n.Malformed
	}
	if problem := m.conflict(n); problem != nil {
		return []Problem{*problem}
	}
	return nil
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

// byAge orders nodes by creation, then by UID.
func byAge(a, b Node) int {
	return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.UID, b.UID), cmp.Compare(a.Name, b.Name))
}

package policy

import (
	"net/netip"
	"slices"
)

// claim notes the addresses that the pod's status names and that count: those of its node's pod CIDRs, unless the gate
// knows better.
func (ix *Index) claim(p *pod) {
	delete(ix.astray, p)
	if ix.isAttached(p) {
		return
	}
	node := ix.nodes[p.Node]
	if node == nil {
		return
	}
	for _, ip := range p.Addrs {
		switch {
		case contain(node.PodCIDRs, ip):
			ix.touch(ip)
			ix.addClaim(p, ip)
		case node.PodCIDRs != nil:
			ix.astray[p] = true
		}
	}
}

func (ix *Index) addClaim(p *pod, ip netip.Addr) {
	p.claimed = append(p.claimed, ip)
	switch first := ix.there[ip]; {
	case first == nil:
		ix.there[ip] = p
	case ix.contested[ip] == nil:
		ix.contested[ip] = []*pod{first, p}
	default:
		ix.contested[ip] = append(ix.contested[ip], p)
	}
}

// unclaim takes the pod's claims back.
func (ix *Index) unclaim(p *pod) {
	delete(ix.astray, p)
	for _, ip := range p.claimed {
		ix.touch(ip)
		rest := slices.DeleteFunc(ix.contested[ip], func(other *pod) bool { return other == p })
		switch len(rest) {
		case 0:
			delete(ix.there, ip)
		case 1:
			ix.there[ip] = rest[0]
			delete(ix.contested, ip)
		default:
			ix.there[ip] = rest[0]
			ix.contested[ip] = rest
		}
	}
	p.claimed = nil
}

// claimAgain follows from a pod that becomes an attached one, or is none any more.
func (ix *Index) claimAgain(namespace, name string) {
	if p := ix.pods[namespace][name]; p != nil {
		ix.unclaim(p)
		ix.claim(p)
	}
}

func (ix *Index) isAttached(p *pod) bool {
	return slices.ContainsFunc(ix.locals[p.Namespace+"/"+p.Name], func(l *local) bool { return l.pod == p })
}

// SetNode adds a node or replaces what is known of it.
func (ix *Index) SetNode(n Node) {
	old := ix.nodes[n.Name]
	if old != nil && slices.Equal(old.InternalIPs, n.InternalIPs) && slices.Equal(old.Gateways, n.Gateways) &&
		slices.Equal(old.PodCIDRs, n.PodCIDRs) {
		return
	}
	if old == nil || !slices.Equal(old.PodCIDRs, n.PodCIDRs) {
		ix.moved[n.Name] = true
	}
	ix.removeNode(old)
	ix.nodes[n.Name] = &n
	for _, ip := range n.Gateways {
		ix.touchGateway(ip)
		ix.gateways[ip] = append(ix.gateways[ip], &n)
	}
}

// DeleteNode removes a node. The addresses of its pods count for nothing any more.
func (ix *Index) DeleteNode(name string) {
	if old := ix.nodes[name]; old != nil {
		ix.removeNode(old)
		delete(ix.nodes, name)
		ix.moved[name] = true
	}
}

func (ix *Index) removeNode(n *Node) {
	if n == nil {
		return
	}
	for _, ip := range n.Gateways {
		ix.touchGateway(ip)
		ix.gateways[ip] = slices.DeleteFunc(ix.gateways[ip], func(other *Node) bool { return other == n })
		if len(ix.gateways[ip]) == 0 {
			delete(ix.gateways, ip)
		}
	}
}

func (ix *Index) touchGateway(ip netip.Addr) {
	if _, known := ix.byGateway[ip]; !known {
		ix.byGateway[ip] = slices.Clone(ix.gateways[ip])
	}
}

// move follows from nodes with other pod CIDRs: their pods' addresses count or do not. It reads all pods once, whatever
// the number of nodes; this is rare.
func (ix *Index) move() {
	if len(ix.moved) == 0 {
		return
	}
	for _, of := range ix.pods {
		for _, p := range of {
			if ix.moved[p.Node] {
				ix.unclaim(p)
				ix.claim(p)
			}
		}
	}
}

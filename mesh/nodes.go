package mesh

import "slices"

// Nodes returns the nodes of a mesh: the own one, by the name given, and those of the peers, in the order of the peers.
// Each has Name, PublicKey, PodCIDRs and NodeIPs alone, and of these what the mesh lets it have; see Desired. Name is
// empty for a peer that was found on the host and that no Node has announced since. Without an own pod CIDR, as in the
// zero State, there are none.
func (s State) Nodes(own string) []Node {
	if len(s.Firewall.OwnCIDRs) == 0 {
		return nil
	}
	nodes := []Node{{
		Name: own, PublicKey: s.Device.PublicKey,
		PodCIDRs: slices.Clone(s.Firewall.OwnCIDRs), NodeIPs: slices.Clone(s.Firewall.OwnIPs),
	}}
	for _, p := range s.Peers {
		n := Node{Name: p.Node, PublicKey: p.PublicKey}
		for _, ip := range p.AllowedIPs {
			if ip.IsSingleIP() {
				n.NodeIPs = append(n.NodeIPs, ip.Addr())
			} else {
				n.PodCIDRs = append(n.PodCIDRs, ip)
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

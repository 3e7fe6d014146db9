package explain

import (
	"net/netip"
	"slices"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
)

// kind is what the packet's destination is, seen from the node.
type kind int

const (
	outside kind = iota
	ownPod
	ownNode
	otherPod
	otherNode
)

// kind goes by all that the node knows of others, so that it does not change when one thing is removed.
func (f Facts) kind() kind {
	switch {
	case f.To.here():
		return ownPod
	case f.To.Own:
		return ownNode
	case f.isNode(f.To.Addr) && f.From.Own:
		return outside // between nodes' own addresses nothing goes through the mesh
	case f.isNode(f.To.Addr):
		return otherNode
	case f.isPods(f.To.Addr):
		return otherPod
	default:
		return outside
	}
}

func (f Facts) isNode(ip netip.Addr) bool {
	host := netip.PrefixFrom(ip, ip.BitLen())
	return slices.ContainsFunc(f.Peers, func(p status.Peer) bool { return slices.Contains(p.AllowedIPs, host) }) ||
		slices.ContainsFunc(f.Routes, func(r mesh.Route) bool {
			return r.Table == mesh.TableNodes && r.Foreign == 0 && r.Destination == host
		})
}

// isPods says whether the address is in the cluster CIDRs, which warren's rules and barriers name, or a peer's.
func (f Facts) isPods(ip netip.Addr) bool {
	return slices.ContainsFunc(f.Rules, func(r mesh.Rule) bool {
		return r.Table == mesh.TablePods && r.To.Contains(ip) || r.Table == mesh.TableNodes && r.From.Contains(ip)
	}) || slices.ContainsFunc(f.Routes, func(r mesh.Route) bool {
		return r.Table != mesh.TableNodes && r.Foreign == 0 && r.Destination.Contains(ip)
	}) || slices.ContainsFunc(f.Peers, func(p status.Peer) bool {
		return slices.ContainsFunc(p.AllowedIPs, func(a netip.Prefix) bool { return a.Contains(ip) })
	})
}

// wanted is the routing table in which the packet's destination is to be looked up.
func (f Facts) wanted() uint32 {
	switch f.kind() {
	case ownPod:
		return mesh.TableMain
	case otherNode:
		return mesh.TableNodes
	default:
		return mesh.TablePods
	}
}

// peerOf returns the peer that has the address in its allowed IPs, by the longest prefix. One that is not on the device
// has it only where no other has.
func (f Facts) peerOf(ip netip.Addr) (found status.Peer, ok bool) {
	bits := -1
	for _, p := range f.Peers {
		for _, allowed := range p.AllowedIPs {
			if !allowed.Contains(ip) {
				continue
			}
			missing := p.State == mesh.PeerMissing
			if bits < 0 || !missing && (found.State == mesh.PeerMissing || allowed.Bits() > bits) {
				found, bits = p, allowed.Bits()
			}
		}
	}
	return found, bits >= 0
}

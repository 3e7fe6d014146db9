package drift

import (
	"bytes"
	"net/netip"
	"slices"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// take removes from the indices what the change is about, and returns it with the small parts as a State.
func (e *Expected) take(c mesh.Change) mesh.State {
	part := e.parts
	for _, r := range slices.Concat(c.Routes.Add, c.Routes.Remove) {
		if have, ok := e.routes[r.Key()]; ok {
			part.Routes = append(part.Routes, have)
			delete(e.routes, r.Key())
		}
	}
	for _, key := range e.affected(c.Peers) {
		if p, ok := e.peers[key]; ok {
			part.Peers = append(part.Peers, p)
			e.removePeer(p)
		}
	}
	// Only the lists made here are sorted: whatever else is in the state, others may be reading.
	slices.SortFunc(part.Routes, mesh.Route.Compare)
	slices.SortFunc(part.Peers, func(a, b mesh.Peer) int { return bytes.Compare(a.PublicKey[:], b.PublicKey[:]) })
	return part
}

// affected returns the peers that the edits name, and those that lose an allowed IP to one of them.
func (e *Expected) affected(edits mesh.PeerEdits) []keys.Public {
	var all []keys.Public
	lose := func(key keys.Public, given []netip.Prefix) {
		all = append(all, key)
		for _, ip := range given {
			if holder, ok := e.holders[ip]; ok {
				all = append(all, holder)
			}
		}
	}
	for _, p := range edits.Add {
		lose(p.PublicKey, p.AllowedIPs)
	}
	for _, u := range edits.Update {
		lose(u.PublicKey, u.AllowedIPs.Add)
	}
	for _, p := range edits.Remove {
		lose(p.PublicKey, nil)
	}
	return all
}

// addPeer sorts a copy of allowed IPs that are not sorted, which others own.
func (e *Expected) addPeer(p mesh.Peer) {
	if !slices.IsSortedFunc(p.AllowedIPs, netip.Prefix.Compare) {
		p.AllowedIPs = slices.SortedFunc(slices.Values(p.AllowedIPs), netip.Prefix.Compare)
	}
	e.peers[p.PublicKey] = p
	for _, ip := range p.AllowedIPs {
		e.holders[ip] = p.PublicKey
	}
}

func (e *Expected) removePeer(p mesh.Peer) {
	delete(e.peers, p.PublicKey)
	for _, ip := range p.AllowedIPs {
		delete(e.holders, ip)
	}
}

func byKey(routes []mesh.Route) map[mesh.RouteKey]mesh.Route {
	all := make(map[mesh.RouteKey]mesh.Route, len(routes))
	for _, r := range routes {
		all[r.Key()] = r
	}
	return all
}

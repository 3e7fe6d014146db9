package probe

import (
	"net/netip"
	"slices"
	"sync"

	"warren.mesh/mesh"
)

// directory knows the peers by the gateway addresses of their pod CIDRs. Its methods may be called concurrently.
type directory struct {
	mu    sync.Mutex
	peers []mesh.Peer
	// names are the Nodes by gateway, and gateways the reverse. They are made when somebody asks: in a mesh of
	// thousands, one peer's change should not cost a walk over all. An observed peer has no name.
	names    map[netip.Addr]string
	gateways map[string][]netip.Addr
}

// set replaces the peers.
func (d *directory) set(peers []mesh.Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers, d.names, d.gateways = peers, nil, nil
}

// fill makes the maps. Call it with mu held.
func (d *directory) fill() {
	if d.names != nil {
		return
	}
	d.names, d.gateways = make(map[netip.Addr]string, len(d.peers)), make(map[string][]netip.Addr, len(d.peers))
	for _, p := range d.peers {
		for _, allowed := range p.AllowedIPs {
			if allowed.IsSingleIP() {
				continue
			}
			gateway := mesh.Gateway(allowed)
			d.names[gateway] = p.Node
			if p.Node != "" {
				d.gateways[p.Node] = append(d.gateways[p.Node], gateway)
			}
		}
	}
}

// knows reports whether an address is a peer's gateway.
func (d *directory) knows(gateway netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fill()
	_, known := d.names[gateway]
	return known
}

// of returns a Node's gateways; none if it is no peer.
func (d *directory) of(node string) []netip.Addr {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fill()
	return d.gateways[node]
}

// nodes returns the names of all peers, sorted.
func (d *directory) nodes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fill()
	all := make([]string, 0, len(d.gateways))
	for name := range d.gateways {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

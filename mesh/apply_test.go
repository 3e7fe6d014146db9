package mesh_test

import (
	"net/netip"
	"slices"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// apply is a small model of a host: routes replace those of the same identity, allowed IPs move.
func apply(c mesh.Change, s mesh.State) mesh.State {
	s.Link.Addresses = edited(s.Link.Addresses, c.Addresses)
	if c.Link != nil {
		s.Link.Name, s.Link.MTU, s.Link.Up = c.Link.Name, c.Link.MTU, c.Link.Up
	}
	s.Bridge.Addresses = edited(s.Bridge.Addresses, c.BridgeAddresses)
	if c.BridgeMTU != 0 {
		s.Bridge.MTU = c.BridgeMTU
	}
	if c.Device != nil {
		s.Device = *c.Device
	}
	s.Firewall.NodeIPs = edited(s.Firewall.NodeIPs, c.NodeIPs)
	if c.Firewall != nil {
		s.Firewall = *c.Firewall
	}
	for _, added := range c.Routes.Add {
		s.Routes = slices.DeleteFunc(slices.Clone(s.Routes), func(r mesh.Route) bool {
			return r.Table == added.Table && r.Destination == added.Destination && r.Metric == added.Metric
		})
	}
	s.Routes = edited(s.Routes, c.Routes)
	s.Rules = edited(s.Rules, c.Rules)
	for _, sysctl := range c.Sysctls {
		s.Sysctls = slices.DeleteFunc(slices.Clone(s.Sysctls), func(old mesh.Sysctl) bool { return old.Name == sysctl.Name })
		s.Sysctls = append(s.Sysctls, sysctl)
	}
	s.Peers = applyPeers(c.Peers, s.Peers)
	s.Sort()
	return s
}

func edited[T comparable](list []T, e mesh.Edits[T]) []T {
	list = slices.Concat(list, e.Add)
	return slices.DeleteFunc(list, func(value T) bool { return slices.Contains(e.Remove, value) })
}

// applyPeers does as WireGuard does, one edit after another.
func applyPeers(e mesh.PeerEdits, list []mesh.Peer) []mesh.Peer {
	peers := map[keys.Public]mesh.Peer{}
	for _, p := range list {
		peers[p.PublicKey] = p
	}
	take := func(ips []netip.Prefix) {
		for k, p := range peers {
			p.AllowedIPs = slices.DeleteFunc(slices.Clone(p.AllowedIPs), func(ip netip.Prefix) bool { return slices.Contains(ips, ip) })
			peers[k] = p
		}
	}
	give := func(to keys.Public, ips []netip.Prefix) {
		take(ips)
		p := peers[to]
		p.AllowedIPs = append(p.AllowedIPs, ips...)
		peers[to] = p
	}
	for _, p := range e.Add {
		ips := p.AllowedIPs
		p.AllowedIPs = nil
		peers[p.PublicKey] = p
		give(p.PublicKey, ips)
	}
	for _, u := range e.Update {
		p := peers[u.PublicKey]
		p.Node = u.Node
		if u.Endpoint != nil {
			p.Endpoint = *u.Endpoint
		}
		if u.Keepalive != nil {
			p.Keepalive = *u.Keepalive
		}
		peers[u.PublicKey] = p
		give(u.PublicKey, u.AllowedIPs.Add)
	}
	for _, u := range e.Update {
		take(u.AllowedIPs.Remove)
	}
	for _, p := range e.Remove {
		delete(peers, p.PublicKey)
	}
	list = nil
	for _, p := range peers {
		list = append(list, p)
	}
	return list
}

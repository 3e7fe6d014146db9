package mesh

import (
	"net/netip"
	"slices"
)

// lostPeers returns the peers of have that want lacks, each with those of its allowed IPs that are free in want; none
// that has no such left.
func lostPeers(want, have State) []Peer {
	var gone []Peer
	for _, p := range have.Peers {
		if _, wanted := find(want.Peers, p); !wanted {
			gone = append(gone, p)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	taken := want.taken()
	for i, p := range gone {
		gone[i].AllowedIPs = slices.DeleteFunc(slices.Clone(p.AllowedIPs), func(ip netip.Prefix) bool {
			_, found := taken.find(ip)
			return found
		})
	}
	return slices.DeleteFunc(gone, func(p Peer) bool { return len(p.AllowedIPs) == 0 })
}

// taken are the ranges that the node itself and its peers have.
func (s State) taken() *ranges {
	all := slices.Clone(s.Firewall.OwnCIDRs)
	for _, ip := range s.Firewall.OwnIPs {
		all = append(all, host(ip))
	}
	for _, p := range s.Peers {
		all = append(all, p.AllowedIPs...)
	}
	slices.SortFunc(all, netip.Prefix.Compare) // ranges are made faster in order
	taken := &ranges{}
	for _, p := range all {
		taken.add(p, "")
	}
	return taken
}

// with returns s with these peers of old, with their routes and with their addresses in the firewall. s has none of
// them.
func (s State) with(peers []Peer, old State) State {
	if len(peers) == 0 {
		return s
	}
	theirs := allowedIPs(peers)
	s.Peers = Edits[Peer]{Add: peers}.apply(s.Peers, Peer.compareKey)
	s.Routes = Edits[Route]{Add: slices.DeleteFunc(slices.Clone(old.Routes), func(r Route) bool {
		_, their := theirs[r.Destination]
		_, taken := slices.BinarySearchFunc(s.Routes, r, Route.compareKey)
		return !their || taken
	})}.apply(s.Routes, Route.compareKey)
	s.Firewall = s.Firewall.with(theirs, old.Firewall)
	return s
}

// with returns f with those of theirs that old guards. Where pod CIDRs are guarded one by one, because no cluster CIDRs
// are configured, they stay guarded too.
func (f Firewall) with(theirs map[netip.Prefix]struct{}, old Firewall) Firewall {
	var ips []netip.Addr
	for _, ip := range old.NodeIPs {
		if _, their := theirs[host(ip)]; their {
			ips = append(ips, ip)
		}
	}
	f.NodeIPs = Edits[netip.Addr]{Add: ips}.apply(f.NodeIPs, netip.Addr.Compare)
	f.ClusterCIDRs = slices.Clone(f.ClusterCIDRs)
	for _, p := range old.ClusterCIDRs {
		if _, taken := overlapping(f.ClusterCIDRs, p); !taken {
			if _, their := theirs[p]; their {
				f.ClusterCIDRs = append(f.ClusterCIDRs, p)
			}
		}
	}
	slices.SortFunc(f.ClusterCIDRs, netip.Prefix.Compare)
	return f
}

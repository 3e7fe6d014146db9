package mesh

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Sort sorts all slices of the state, in place: peers by key, addresses by family and number, routes by table and
// destination, rules by family and priority.
func (s *State) Sort() {
	slices.SortFunc(s.Link.Addresses, netip.Prefix.Compare)
	slices.SortFunc(s.Bridge.Addresses, netip.Prefix.Compare)
	slices.SortFunc(s.Peers, Peer.compareKey)
	for _, p := range s.Peers {
		slices.SortFunc(p.AllowedIPs, netip.Prefix.Compare)
	}
	slices.SortFunc(s.Routes, Route.Compare)
	slices.SortFunc(s.Rules, Rule.Compare)
	s.Firewall.sort()
	slices.SortFunc(s.Sysctls, Sysctl.compareName)
}

func (f *Firewall) sort() {
	slices.SortFunc(f.ClusterCIDRs, netip.Prefix.Compare)
	slices.SortFunc(f.NodeCIDRs, netip.Prefix.Compare)
	slices.SortFunc(f.PlainFrom, netip.Prefix.Compare)
	slices.SortFunc(f.OwnCIDRs, netip.Prefix.Compare)
	slices.SortFunc(f.OwnIPs, netip.Addr.Compare)
	slices.SortFunc(f.NodeIPs, netip.Addr.Compare)
}

func (p Peer) compareKey(other Peer) int { return bytes.Compare(p.PublicKey[:], other.PublicKey[:]) }

func (s Sysctl) compareName(other Sysctl) int { return strings.Compare(s.Name, other.Name) }

// Compare orders routes by key, link and source.
func (r Route) Compare(other Route) int {
	return cmp.Or(r.compareKey(other), cmp.Compare(r.Link, other.Link), r.Source.Compare(other.Source))
}

// compareKey orders routes by table, destination and metric.
func (r Route) compareKey(other Route) int {
	return cmp.Or(
		cmp.Compare(r.Table, other.Table),
		r.Destination.Compare(other.Destination),
		cmp.Compare(r.Metric, other.Metric))
}

// Compare orders IPv4 rules before IPv6 rules, then by priority and by what the rule selects.
func (r Rule) Compare(other Rule) int {
	return cmp.Or(
		compareBool(r.IPv6, other.IPv6),
		cmp.Compare(r.Priority, other.Priority),
		r.From.Compare(other.From),
		cmp.Compare(r.Incoming, other.Incoming),
		cmp.Compare(r.Mark, other.Mark),
		cmp.Compare(r.Mask, other.Mask),
		cmp.Compare(r.Table, other.Table))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

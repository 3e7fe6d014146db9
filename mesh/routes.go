package mesh

import (
	"net/netip"
	"slices"
)

// routes returns the fail-closed routes, and those into the mesh.
func (b *builder) routes() []Route {
	routes := b.unreachable()
	gateways := b.own.gateways()
	for _, n := range b.decision.peers {
		for _, p := range n.PodCIDRs {
			source := gateways[familyOf(p.Addr())]
			routes = b.appendRoute(routes, Route{Table: TablePods, Destination: p, Link: b.cfg.Link, Source: source})
		}
		for _, ip := range n.NodeIPs {
			routes = b.appendRoute(routes, Route{Table: TableNodes, Destination: host(ip), Link: b.cfg.Link})
			routes = b.appendRoute(routes, Route{Table: TableNodes, Destination: host(ip)})
		}
	}
	for _, p := range b.ips.prefixes() {
		routes = b.appendRoute(routes, Route{Table: TableNodes, Destination: p})
	}
	return routes
}

// unreachable returns the routes that hold when the routes into the mesh are gone, with the device or with the peer.
// Those in the main table hold when the rules are gone, too, or the pods' bridge.
func (b *builder) unreachable() []Route {
	var routes []Route
	for _, p := range b.clusterCIDRs() {
		routes = b.appendRoute(routes, Route{Table: TablePods, Destination: p})
		routes = b.appendRoute(routes, Route{Table: TableMain, Destination: p})
	}
	for _, p := range b.cfg.NodeCIDRs {
		routes = b.appendRoute(routes, Route{Table: TableNodes, Destination: p})
	}
	return routes
}

// appendRoute gives r its metric and appends it, if its family is in use.
func (b *builder) appendRoute(routes []Route, r Route) []Route {
	f := familyOf(r.Destination.Addr())
	switch {
	case !b.used[f]:
		return routes
	case r.Link == "":
		r.Metric = MetricLast
	case f == ipv6:
		r.Metric = MetricIPv6
	}
	return append(routes, r)
}

// rules returns the policy-routing rules, for each address family:
//
//  1. What is local stays local. The kernel's own rule says so too, unless software has moved it behind others, as for
//     VRFs.
//  2. To this node's pods: the main table, where the kernel has the bridge's route.
//  3. To any other pod: TablePods. Without configured cluster CIDRs the table says by itself what a pod is.
//  4. Answers to what came in over the underlay, which the guard marks, go back to it.
//  5. From pods to mesh nodes: TableNodes. This selects by address and not by mark, so it holds while the firewall is
//     flushed.
//  6. Out of the mesh to a third node, as the packets of a NodePort go: TableNodes.
func (b *builder) rules() []Rule {
	var rules []Rule
	for _, f := range []family{ipv4, ipv6} {
		if !b.used[f] {
			continue
		}
		v6 := f == ipv6
		rules = append(rules, Rule{IPv6: v6, Table: TableLocal})
		for _, p := range inFamily(f, b.own.PodCIDRs) {
			rules = append(rules, Rule{IPv6: v6, To: p, Table: TableMain})
		}
		if len(b.cfg.ClusterCIDRs) == 0 {
			rules = append(rules, Rule{IPv6: v6, Table: TablePods})
		}
		for _, p := range inFamily(f, b.cfg.ClusterCIDRs) {
			rules = append(rules, Rule{IPv6: v6, To: p, Table: TablePods})
		}
		rules = append(rules, Rule{IPv6: v6, Mark: b.cfg.Mark, Mask: b.cfg.Mark, Table: TableMain})
		for _, p := range inFamily(f, b.podSources()) {
			rules = append(rules, Rule{IPv6: v6, From: p, Table: TableNodes})
		}
		rules = append(rules, Rule{IPv6: v6, Incoming: b.cfg.Link, Table: TableNodes})
	}
	return rules
}

// inFamily returns the prefixes of one family, sorted.
func inFamily(f family, list []netip.Prefix) []netip.Prefix {
	others := func(p netip.Prefix) bool { return familyOf(p.Addr()) != f }
	return slices.SortedFunc(slices.Values(slices.DeleteFunc(slices.Clone(list), others)), netip.Prefix.Compare)
}

// podSources returns the ranges that pods of this node may send from: the cluster CIDRs, if they are configured. After
// a change of the pod CIDR there are still pods with addresses of the old one, which must not lose their rule.
func (b *builder) podSources() []netip.Prefix {
	if len(b.cfg.ClusterCIDRs) > 0 {
		return b.cfg.ClusterCIDRs
	}
	return b.own.PodCIDRs
}

// familiesWith returns the address families of the cluster CIDRs and of podCIDRs.
func (c Config) familiesWith(podCIDRs []netip.Prefix) (used [2]bool) {
	for _, list := range [][]netip.Prefix{c.ClusterCIDRs, podCIDRs} {
		for _, p := range list {
			used[familyOf(p.Addr())] = true
		}
	}
	return used
}

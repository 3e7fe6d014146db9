package mesh

import "net/netip"

// Priorities of the policy-routing rules: before the main table's (32766) and, by convention, other CNIs' at 100 and up.
const (
	// priorityUnderlay sends answers to what came in on the underlay back there.
	priorityUnderlay = 98
	// priorityPods sends what comes from pods to mesh nodes through the mesh. It selects by address and not by mark, so
	// that it holds with the firewall flushed.
	priorityPods = 100
	// priorityMesh is for what came out of the mesh and goes on to a third node, as a NodePort's second hop does.
	priorityMesh = 101
)

func (b *builder) routes() []Route {
	routes := b.unreachable()
	gateways := b.own.gateways()
	for _, n := range b.decision.peers {
		for _, p := range n.PodCIDRs {
			routes = b.appendRoute(routes, Route{Table: TableMain, Destination: p, Link: b.cfg.Link, Source: gateways[familyOf(p.Addr())]})
		}
		for _, ip := range n.NodeIPs {
			routes = b.appendRoute(routes, Route{Table: TableMesh, Destination: host(ip), Link: b.cfg.Link})
			routes = b.appendRoute(routes, Route{Table: TableMesh, Destination: host(ip)})
		}
	}
	for _, p := range b.ips.prefixes() {
		routes = b.appendRoute(routes, Route{Table: TableMesh, Destination: p})
	}
	return routes
}

// unreachable are the routes that hold when those into the mesh are gone, with the device or with the peer.
func (b *builder) unreachable() []Route {
	var routes []Route
	for _, p := range b.clusterCIDRs() {
		routes = b.appendRoute(routes, Route{Table: TableMain, Destination: p})
	}
	for _, p := range b.cfg.NodeCIDRs {
		routes = b.appendRoute(routes, Route{Table: TableMesh, Destination: p})
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

func (b *builder) rules() []Rule {
	var rules []Rule
	for _, f := range []family{ipv4, ipv6} {
		if !b.used[f] {
			continue
		}
		rules = append(rules,
			Rule{IPv6: f == ipv6, Priority: priorityUnderlay, Mark: b.cfg.Mark, Mask: b.cfg.Mark, Table: TableMain},
			Rule{IPv6: f == ipv6, Priority: priorityMesh, Incoming: b.cfg.Link, Table: TableMesh})
	}
	for _, p := range b.podSources() {
		rules = append(rules, Rule{IPv6: familyOf(p.Addr()) == ipv6, Priority: priorityPods, From: p, Table: TableMesh})
	}
	return rules
}

// podSources are the ranges that pods of this node may send from: all of the cluster's where they are configured, because
// after a change of pod CIDR there are pods left with addresses of the old one, and they must not lose their rule.
func (b *builder) podSources() []netip.Prefix {
	if len(b.cfg.ClusterCIDRs) > 0 {
		return b.cfg.ClusterCIDRs
	}
	return b.own.PodCIDRs
}

// familiesWith are the address families of the cluster CIDRs and of podCIDRs.
func (c Config) familiesWith(podCIDRs []netip.Prefix) (used [2]bool) {
	for _, list := range [][]netip.Prefix{c.ClusterCIDRs, podCIDRs} {
		for _, p := range list {
			used[familyOf(p.Addr())] = true
		}
	}
	return used
}

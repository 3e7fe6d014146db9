package mesh

import "net/netip"

// Priorities of the policy-routing rules. They come before the rule of the main table (32766) and, by convention,
// before those of other CNIs, at 100 and up.
const (
	// priorityUnderlay is the rule that sends answers to packets from the underlay back to the underlay.
	priorityUnderlay = 98
	// priorityPods is the rule that sends packets from pods to mesh nodes through the mesh. It selects by address and
	// not by mark, so it holds while the firewall is flushed.
	priorityPods = 100
	// priorityMesh is the rule for packets that come out of the mesh and go on to a third node, as those of a NodePort
	// do.
	priorityMesh = 101
)

// routes returns the fail-closed routes, and those into the mesh.
func (b *builder) routes() []Route {
	routes := b.unreachable()
	gateways := b.own.gateways()
	for _, n := range b.decision.peers {
		for _, p := range n.PodCIDRs {
			source := gateways[familyOf(p.Addr())]
			routes = b.appendRoute(routes, Route{Table: TableMain, Destination: p, Link: b.cfg.Link, Source: source})
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

// unreachable returns the routes that hold when the routes into the mesh are gone, with the device or with the peer.
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

// rules returns the policy-routing rules.
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

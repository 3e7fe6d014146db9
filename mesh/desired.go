package mesh

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Desired returns what the host should look like. It is a function of the set of nodes: neither their order matters nor
// whether the own node is among them.
//
// A node with something wrong becomes a Problem. It is left out, and the others are not affected; its addresses stay
// fail-closed, so that nothing goes there in plain text. Of two nodes in conflict the one created earlier stays, then
// the one with the lower UID, on every node alike. If that leaves out self, self keeps its own pod CIDRs and leaves out
// the nodes in conflict with them, or all nodes if one has its key.
//
// Two kinds of Problem leave no node out: an address that a node may not have costs that address, unless it is the last
// endpoint; and a peer may have no endpoint in an address family of self.
//
// The error is about self or the configuration. It wraps ErrWaiting while self lacks a pod CIDR or a node IP. Problems
// of self come with the error.
func Desired(cfg Config, self Self, nodes []Node) (State, []Problem, error) {
	own, ownProblems := self.parse()
	for _, check := range []func() error{cfg.Validate, own.waiting, func() error { return own.check(cfg) }} {
		if err := check(); err != nil {
			return State{}, ownProblems, err
		}
	}
	used := cfg.familiesWith(own.PodCIDRs)
	b := builder{cfg: cfg, underlay: own.NodeIPs, used: used, decision: decide(cfg, own, nodes)}
	state := State{
		Link:     b.link(),
		Bridge:   b.bridge(),
		Device:   Device{PublicKey: own.PublicKey, Port: cfg.Port},
		Peers:    b.peers(),
		Routes:   b.routes(),
		Rules:    b.rules(),
		Firewall: b.firewall(),
		Sysctls:  b.sysctls(),
	}
	state.Sort()
	problems := append(b.problems, ownProblems...)
	slices.SortFunc(problems, Problem.compare)
	return state, slices.Compact(problems), nil
}

// Bootstrap returns what can be made fail-closed before anything is known of the cluster: unreachable routes and, where
// the host has no guard, one of the configuration and of what is observed. Apply Diff(Bootstrap(cfg, observed),
// observed.State).WithoutRemovals().
func Bootstrap(cfg Config, observed Observation) State {
	b := builder{cfg: cfg, used: cfg.familiesWith(nil)}
	state := State{Routes: b.unreachable()}
	if !observed.Guarded && len(cfg.ClusterCIDRs) > 0 {
		state.Firewall = b.makeshift(observed.State)
	}
	state.Sort()
	return state
}

// makeshift is a guard for a host of which nothing is known but what it has: its pods are in the ranges of the bridge,
// and mesh nodes have the single addresses that its peers may send from. The host's own addresses are not known, so the
// guard masquerades them into the mesh.
func (b *builder) makeshift(have State) Firewall {
	f := b.firewall()
	for _, a := range have.Bridge.Addresses {
		if b.ofPods(a) {
			f.OwnCIDRs = append(f.OwnCIDRs, a.Masked())
		}
	}
	for _, p := range have.Peers {
		for _, ip := range p.AllowedIPs {
			if ip.IsSingleIP() && !b.ofPods(ip) {
				f.NodeIPs = append(f.NodeIPs, ip.Addr())
			}
		}
	}
	return f
}

// ofPods reports whether the prefix's address is in a cluster CIDR.
func (b *builder) ofPods(p netip.Prefix) bool {
	return slices.ContainsFunc(b.cfg.ClusterCIDRs, func(c netip.Prefix) bool { return c.Contains(p.Addr()) })
}

// builder makes the parts of a State.
type builder struct {
	cfg Config
	// underlay are the node IPs of the node the daemon runs on, also those that the mesh leaves out.
	underlay []netip.Addr
	// used are the address families of the cluster CIDRs and of this node's pods. Nothing is done in another family:
	// the kernel may have no IPv6.
	used [2]bool
	decision
}

func (b *builder) link() Link {
	link := Link{Name: b.cfg.Link, MTU: b.cfg.MTU, Up: true}
	for _, p := range b.own.PodCIDRs {
		link.Addresses = append(link.Addresses, host(Gateway(p)))
	}
	return link
}

func (b *builder) bridge() Bridge {
	bridge := Bridge{Name: b.cfg.Bridge, MTU: b.cfg.MTU}
	for _, p := range b.own.PodCIDRs {
		bridge.Addresses = append(bridge.Addresses, netip.PrefixFrom(Gateway(p), p.Bits()))
	}
	return bridge
}

func (b *builder) peers() []Peer {
	var peers []Peer
	for _, n := range b.decision.peers {
		peer := Peer{PublicKey: n.PublicKey, Node: n.Name, Keepalive: b.keepalive(n)}
		peer.Endpoint, peer.Alternatives = b.endpoints(n)
		peer.AllowedIPs = append(peer.AllowedIPs, n.PodCIDRs...)
		for _, ip := range n.NodeIPs {
			peer.AllowedIPs = append(peer.AllowedIPs, host(ip))
		}
		if !peer.Endpoint.IsValid() {
			reason := "no address family in common with this node: only node " + n.Name + " can initiate a handshake"
			b.problems = append(b.problems, Problem{Node: n.Name, Field: FieldEndpoint, Reason: reason})
		}
		peers = append(peers, peer)
	}
	return peers
}

// endpoints returns the endpoint of n in the first address family of the own node IPs in which n has one, and those in
// the families after it.
func (b *builder) endpoints(n Node) (first netip.AddrPort, others []netip.AddrPort) {
	var seen [2]bool
	for _, ip := range b.underlay {
		if seen[familyOf(ip)] {
			continue
		}
		seen[familyOf(ip)] = true
		for _, e := range n.Endpoints {
			switch {
			case familyOf(e.Addr()) != familyOf(ip):
			case first.IsValid():
				others = append(others, e)
			default:
				first = e
			}
		}
	}
	return first, others
}

// keepalive returns the shorter interval of the own node's and of n's. A NAT keeps a mapping for what comes from
// inside, so the node with the annotation sends too, and to every peer: any of them may be the next to reach it.
func (b *builder) keepalive(n Node) time.Duration {
	if b.own.Keepalive == 0 || n.Keepalive == 0 {
		return max(b.own.Keepalive, n.Keepalive)
	}
	return min(b.own.Keepalive, n.Keepalive)
}

func (b *builder) firewall() Firewall {
	f := Firewall{
		Link: b.cfg.Link, Bridge: b.cfg.Bridge, Port: b.cfg.Port, Mark: b.cfg.Mark,
		ClusterCIDRs: b.clusterCIDRs(),
		NodeCIDRs:    slices.Clone(b.cfg.NodeCIDRs),
		PlainFrom:    slices.Clone(b.cfg.PlainFrom),
		OwnCIDRs:     slices.Clone(b.own.PodCIDRs),
		OwnIPs:       slices.Clone(b.own.NodeIPs),
		NodeIPs:      slices.Clone(b.own.NodeIPs),
	}
	for _, n := range b.decision.peers {
		f.NodeIPs = append(f.NodeIPs, n.NodeIPs...)
	}
	for _, p := range b.ips.prefixes() {
		f.NodeIPs = append(f.NodeIPs, p.Addr())
	}
	return f
}

// clusterCIDRs returns the configured ranges, or else all known pod CIDRs.
func (b *builder) clusterCIDRs() []netip.Prefix {
	if len(b.cfg.ClusterCIDRs) > 0 {
		return slices.Clone(b.cfg.ClusterCIDRs)
	}
	all := append(b.pods.prefixes(), b.own.PodCIDRs...)
	for _, n := range b.decision.peers {
		all = append(all, n.PodCIDRs...)
	}
	return all
}

func (p Problem) compare(q Problem) int {
	return cmp.Or(cmp.Compare(p.Node, q.Node), cmp.Compare(p.Field, q.Field), cmp.Compare(p.Reason, q.Reason))
}

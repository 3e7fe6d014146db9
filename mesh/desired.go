package mesh

import (
	"cmp"
	"net/netip"
	"slices"
)

// Desired is what the host should look like. It is a function of the set of nodes: their order does not matter, nor
// whether the own one is among them.
//
// What is wrong with a node becomes a Problem. The node is left out (but its addresses stay guarded: nothing may go there
// in plain text) and the others are not affected. Of two nodes in conflict the one created earlier stays, then the one
// with the lower UID, on every node alike. If that leaves self out, self keeps what is its own and does without those it
// is in conflict with, or without any peers if it has the key of one. One kind of Problem leaves nobody out: a peer with no endpoint in a family that self has.
//
// The error is about self or the configuration; it wraps ErrWaiting where self has yet to be given something. Problems of
// self come with it.
func Desired(cfg Config, self Self, nodes []Node) (State, []Problem, error) {
	own, ownProblems := self.parse()
	for _, check := range []func() error{cfg.Validate, own.waiting, func() error { return own.check(cfg) }} {
		if err := check(); err != nil {
			return State{}, ownProblems, err
		}
	}
	b := builder{cfg: cfg, own: own, used: cfg.familiesWith(own.PodCIDRs), decision: decide(cfg, own, nodes)}
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

// Bootstrap is what can be made fail-closed from the configuration alone, before anything is known of the cluster:
// unreachable routes. Apply Diff(Bootstrap(cfg), observed).WithoutRemovals().
func Bootstrap(cfg Config) State {
	b := builder{cfg: cfg, used: cfg.familiesWith(nil)}
	state := State{Routes: b.unreachable()}
	state.Sort()
	return state
}

// builder makes the parts of a State.
type builder struct {
	cfg Config
	// own is the node the daemon runs on.
	own Node
	// used are the address families of the cluster and of this node's pods. In others nothing is touched: the kernel may
	// have no IPv6.
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
		peer := Peer{PublicKey: n.PublicKey, Node: n.Name, Endpoint: b.endpoint(n), Keepalive: n.Keepalive}
		peer.AllowedIPs = append(peer.AllowedIPs, n.PodCIDRs...)
		for _, ip := range n.NodeIPs {
			peer.AllowedIPs = append(peer.AllowedIPs, host(ip))
		}
		if !peer.Endpoint.IsValid() {
			b.problems = append(b.problems, Problem{Node: n.Name, Field: FieldEndpoint,
				Reason: "no address family in common with this node: only " + n.Name + " can begin"})
		}
		peers = append(peers, peer)
	}
	return peers
}

// endpoint returns the endpoint of n in the first address family of the own node IPs in which n has one.
func (b *builder) endpoint(n Node) netip.AddrPort {
	for _, ip := range b.own.NodeIPs {
		for _, e := range n.Endpoints {
			if familyOf(e.Addr()) == familyOf(ip) {
				return e
			}
		}
	}
	return netip.AddrPort{}
}

func (b *builder) firewall() Firewall {
	f := Firewall{
		Link: b.cfg.Link, Bridge: b.cfg.Bridge, Port: b.cfg.Port, Mark: b.cfg.Mark,
		ClusterCIDRs: b.clusterCIDRs(),
		NodeCIDRs:    slices.Clone(b.cfg.NodeCIDRs),
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

// clusterCIDRs are the configured ones, or else all pod CIDRs known.
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

// sysctls are those without which nothing is forwarded or, with strict rp_filter, answers that are marked to go back on
// the underlay are dropped (ip-sysctl.rst of the kernel).
func (b *builder) sysctls() []Sysctl {
	var all []Sysctl
	if b.used[ipv4] {
		all = append(all, Sysctl{"net/ipv4/ip_forward", "1"}, Sysctl{"net/ipv4/conf/all/src_valid_mark", "1"})
	}
	if b.used[ipv6] {
		all = append(all, Sysctl{"net/ipv6/conf/all/forwarding", "1"})
	}
	return all
}

func (p Problem) compare(q Problem) int {
	return cmp.Or(cmp.Compare(p.Node, q.Node), cmp.Compare(p.Field, q.Field), cmp.Compare(p.Reason, q.Reason))
}

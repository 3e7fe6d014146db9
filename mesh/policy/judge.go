package policy

import (
	"net/netip"
	"slices"
)

// Connection is a connection by the addresses of its two ends. All its packets and answers, and ICMP errors about it,
// are decided alike.
type Connection struct {
	// Client is the address of the end that sent the first packet, before any translation.
	Client netip.Addr
	// Server is the address that it was sent to, after translation of a Service's.
	Server netip.Addr
	// Protocol is the transport protocol; "icmp" and all others have no ports.
	Protocol Protocol
	// Port is the server's, after translation of a Service's.
	Port uint16
}

// Judge says what this node does with a connection that it carries. It reads the input as a person would, and is slow:
// the tables that Compile makes are compared with it.
//
// An IPv6 link-local client is taken for a pod of this node, because no other end meets the tables with such an
// address, and a link-local server for this node, because nobody else is reached at one.
func Judge(in Input, c Connection) Decision { return newCourt(in).judge(c) }

// court is the input with what is looked up more than once.
type court struct {
	Input
	self       Node
	nodes      map[string]Node
	namespaces map[string]Labels
}

func newCourt(in Input) *court {
	c := &court{Input: in, nodes: map[string]Node{}, namespaces: map[string]Labels{}}
	for _, n := range in.Nodes {
		c.nodes[n.Name] = n
	}
	c.self = c.nodes[in.Self]
	for _, n := range in.Namespaces {
		c.namespaces[n.Name] = n.Labels
	}
	c.Policies = nil
	for _, p := range in.Policies {
		kept, _ := keep(p)
		c.Policies = append(c.Policies, kept)
	}
	slices.SortFunc(c.Policies, comparePolicies)
	return c
}

func (c *court) judge(conn Connection) Decision {
	client, server := c.end(conn.Client), c.end(conn.Server)
	switch {
	case client.node:
		return Decision{Allowed: true, Reason: FromNode}
	case linkLocal(conn.Client):
		return Decision{Reason: LinkLocal}
	case client.closed || server.closed:
		return Decision{Reason: UnknownPod}
	}
	d := Decision{
		Egress:  c.direction(client, server, conn, false),
		Ingress: c.direction(server, client, conn, true),
	}
	switch {
	case d.Egress.Allowed && d.Ingress.Allowed:
		d.Allowed, d.Reason = true, ByPolicies
	case conn.Client == conn.Server:
		d.Allowed, d.Reason = true, Itself
	default:
		d.Reason = ByPolicies
	}
	return d
}

// linkLocal reports whether routers leave packets with the address on its link. IPv4's 169.254.0.0/16 is an address
// like others to Linux and to these tables: a pod that sends from there is refused as one that is not known.
func linkLocal(ip netip.Addr) bool { return ip.Is6() && ip.IsLinkLocalUnicast() }

// direction judges by the policies of one end, which is a pod of this node or else not asked.
func (c *court) direction(pod, other end, conn Connection, ingress bool) Direction {
	d := Direction{Allowed: true}
	if !pod.attached {
		return d
	}
	d.Pod = pod.Namespace + "/" + pod.Name
	server := other
	if ingress {
		server = pod
	}
	for _, p := range c.Policies {
		isolates, rules := p.IsolatesEgress, p.Egress
		if ingress {
			isolates, rules = p.IsolatesIngress, p.Ingress
		}
		if !isolates || p.Namespace != pod.Namespace || !p.Pods.Matches(pod.Labels) {
			continue
		}
		d.Isolating = append(d.Isolating, p.Namespace+"/"+p.Name)
		for i, r := range rules {
			named := RuleName{Policy: p.Namespace + "/" + p.Name, Index: i}
			switch peers, ports := c.peers(r, p.Namespace, other), portsMatch(r, server, conn); {
			case peers && ports && d.By == nil:
				d.By = &named
			case peers && !ports:
				d.WrongPort = append(d.WrongPort, named)
			case !peers && ports:
				d.WrongPeer = append(d.WrongPeer, named)
			}
		}
	}
	d.Allowed = len(d.Isolating) == 0 || d.By != nil
	return d
}

func (c *court) peers(r Rule, namespace string, other end) bool {
	return r.AllPeers || slices.ContainsFunc(r.Peers, func(p Peer) bool {
		switch {
		case p.Block != nil:
			return c.inBlock(*p.Block, other.addr)
		case p.everybody():
			return c.isPods(other.addr)
		case !other.known:
			return false
		case p.Namespaces == nil && other.Namespace != namespace:
			return false
		case p.Namespaces != nil:
			labels, known := c.namespaces[other.Namespace]
			if !known || !p.Namespaces.Matches(labels) {
				return false
			}
		}
		return p.Pods == nil || p.Pods.Matches(other.Labels)
	})
}

// everybody reports whether the peer is all pods of all namespaces.
func (p Peer) everybody() bool {
	return p.Block == nil && (p.Pods == nil || len(p.Pods.Requirements) == 0) &&
		p.Namespaces != nil && len(p.Namespaces.Requirements) == 0
}

// inBlock reports whether the address is in the block, or is a gateway of a node of which the block has an address. A
// block is about one family.
func (c *court) inBlock(b Block, ip netip.Addr) bool {
	return b.contains(ip) || ip.Is4() == b.CIDR.Addr().Is4() && slices.ContainsFunc(c.Nodes, func(n Node) bool {
		return slices.Contains(n.Gateways, ip) && slices.ContainsFunc(n.InternalIPs, b.contains)
	})
}

func (b Block) contains(ip netip.Addr) bool {
	return b.CIDR.Contains(ip) &&
		!slices.ContainsFunc(b.Except, func(e netip.Prefix) bool { return e.Contains(ip) })
}

// isPods reports whether the address is one that nodes give to pods.
func (c *court) isPods(ip netip.Addr) bool {
	in := false
	for _, n := range c.Nodes {
		if slices.Contains(n.Gateways, ip) {
			return false
		}
		in = in || contain(n.PodCIDRs, ip)
	}
	return in
}

func contain(prefixes []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func portsMatch(r Rule, server end, conn Connection) bool {
	return r.AllPorts || slices.ContainsFunc(r.Ports, func(p Port) bool {
		switch {
		case p.Protocol != conn.Protocol:
			return false
		case p.Name != "":
			return server.known && slices.Contains(namedPorts(server.Ports, p.Name, p.Protocol), conn.Port)
		case p.Number == 0:
			return true
		default:
			return p.Number <= conn.Port && conn.Port <= max(p.Number, p.End)
		}
	})
}

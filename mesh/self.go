package mesh

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ErrWaiting is wrapped by Desired's error while self has no pod CIDR or no node IP yet. The caller waits and keeps
// what runs: it is not a failure.
var ErrWaiting = errors.New("waiting")

// In reports whether nodes hold the own Node: one of its name with its UID. A list that does not is of another moment,
// or of another store, than what is known of self. What is missing from it need not be missing from the cluster.
func (s Self) In(nodes []Node) bool {
	return slices.ContainsFunc(nodes, func(n Node) bool { return n.Name == s.Name && n.UID == s.UID })
}

// Silenced reports whether the problems, which are Desired's, say that the own node has another's key. Desired gives it
// no peers then, or the other's packets would follow the key here: a removal that must not wait.
func (s Self) Silenced(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Node == s.Name && p.Field == FieldPublicKey })
}

// parse returns the own node as other nodes see it, and the Problems of self that stop nothing. NodeIPs are those that
// other nodes accept; the rest of status.addresses is left out with a Problem.
func (s Self) parse() (own Node, problems []Problem) {
	own = Node{Name: s.Name, UID: s.UID, Created: s.Created, PublicKey: s.PublicKey, PodCIDRs: s.PodCIDRs}
	announced := 0
	ips, lost := split(unique(slices.Clone(s.NodeIPs)), func(ip netip.Addr) string {
		if err := checkUnicast(ip); err != nil {
			return err.Error()
		}
		if announced++; announced > MaxNodeIPs {
			return fmt.Sprintf("%v is one too many, %d are announced: what other nodes' pods send there leaves the "+
				"mesh in plain text, unless --node-cidrs has its range", ip, MaxNodeIPs)
		}
		return ""
	})
	own.NodeIPs = ips
	return own, append(few(s.Name, FieldNodeIPs, lost), s.Malformed...)
}

// Cloned returns the name of the eldest other node that has the key of self and is older; ok is false if there is none.
// A key counts with a proof only, so that node has the private half: a disk was copied, perhaps, and the key is known
// elsewhere. Whatever else is wrong with that node does not matter.
func (s Self) Cloned(nodes []Node) (elder string, ok bool) {
	eldest := Node{Name: s.Name, UID: s.UID, Created: s.Created}
	for _, n := range nodes {
		if n.Name != s.Name && n.PublicKey == s.PublicKey && !n.PublicKey.IsZero() && byAge(n, eldest) < 0 {
			eldest = n
		}
	}
	return eldest.Name, eldest.Name != s.Name
}

// waiting returns an error that names what the own node lacks and wraps ErrWaiting; nil if it lacks nothing.
func (n Node) waiting() error {
	switch {
	case len(n.PodCIDRs) == 0:
		return fmt.Errorf("%w for a pod CIDR: spec.podCIDRs of node %s has none", ErrWaiting, n.Name)
	case len(n.NodeIPs) == 0:
		return fmt.Errorf("%w for a node address: status.addresses of node %s has no usable InternalIP", ErrWaiting,
			n.Name)
	}
	return nil
}

// check returns an error if the own node cannot be in any mesh. Other nodes leave it out for the same reasons, but an
// operator should see them on the node itself, at once.
func (n Node) check(cfg Config) error {
	var seen [2]bool
	for _, p := range n.PodCIDRs {
		if err := checkPodCIDR(p); err != nil {
			return fmt.Errorf("pod CIDR of node %s: %w", n.Name, err)
		}
		if seen[familyOf(p.Addr())] {
			return fmt.Errorf("pod CIDR of node %s: %v is the second of its address family, one is allowed", n.Name, p)
		}
		seen[familyOf(p.Addr())] = true
	}
	if err := cfg.checkMTU(n.PodCIDRs); err != nil {
		return err
	}
	n.Endpoints = n.endpoints(cfg)
	if _, problems, ok := newMembers(cfg).admit(n); !ok {
		return fmt.Errorf("node %s does not fit the configured CIDRs: %s: correct them, on all nodes alike",
			n.Name, problems[0].Reason)
	}
	return nil
}

// gateways returns the gateway addresses of the node's pod CIDRs by family; the zero value where it has none.
func (n Node) gateways() (g [2]netip.Addr) {
	for _, p := range n.PodCIDRs {
		g[familyOf(p.Addr())] = Gateway(p)
	}
	return g
}

// Gateway returns the first host address of a pod CIDR: the pods' default gateway. The bridge and the WireGuard
// interface hold it, so IPAM never hands it out.
//
// It is not the network address, which in IPv6 is the subnet-router anycast address of the bridge (RFC 4291, section
// 2.6.1).
func Gateway(podCIDR netip.Prefix) netip.Addr { return podCIDR.Masked().Addr().Next() }

// Gateway returns the gateway address of the peer's first pod CIDR, which its node holds; the zero value if the peer
// has no pod CIDR. One packet to it begins a handshake, whatever its address family.
func (p Peer) Gateway() netip.Addr {
	for _, allowed := range p.AllowedIPs {
		if !allowed.IsSingleIP() {
			return Gateway(allowed)
		}
	}
	return netip.Addr{}
}

// Announce returns the text of what self publishes: an endpoint for each address family, and the rest as the Node has
// it. It returns the zero value while Desired returns ErrWaiting.
//
// The node IPs are also those that readers leave out, because they are another node's or do not fit the configuration:
// a reader that does not know of an address cannot guard it, and when the other node goes, nothing need be written.
func Announce(cfg Config, self Self) Announcement {
	own, _ := self.parse()
	if own.waiting() != nil || self.Proof.IsZero() {
		return Announcement{}
	}
	return Announcement{
		PublicKey: own.PublicKey.String(),
		Proof:     self.Proof.String(),
		Endpoint:  join(own.endpoints(cfg), netip.AddrPort.String),
		PodCIDRs:  join(own.PodCIDRs, netip.Prefix.String),
		NodeIPs:   join(own.NodeIPs, netip.Addr.String),
	}
}

// endpoints returns, with port, the first node IP of each address family: of those inside the node CIDRs or, if there
// are none, of those outside the cluster CIDRs or, if there are none either, of all. The node CIDRs do not bind
// endpoints, because nothing but WireGuard's packets goes there.
func (n Node) endpoints(cfg Config) []netip.AddrPort {
	m := newMembers(cfg)
	inside, _ := split(n.NodeIPs, func(ip netip.Addr) string { return m.nodeIPConflict(ip, n) })
	outside, _ := split(n.NodeIPs, func(ip netip.Addr) string { return m.addressConflict(ip, n) })
	var all []netip.AddrPort
	var seen [2]bool
	for _, ip := range slices.Concat(inside, outside, n.NodeIPs) {
		if f := familyOf(ip); !seen[f] {
			seen[f] = true
			all = append(all, netip.AddrPortFrom(ip, cfg.Port))
		}
	}
	return all
}

// join returns the texts of the values, comma-separated.
func join[T any](list []T, text func(T) string) string {
	var b strings.Builder
	for i, value := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(text(value))
	}
	return b.String()
}

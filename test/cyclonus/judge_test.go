package cyclonus

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	networkingv1 "k8s.io/api/networking/v1"

	"warren.mesh/mesh/policy"
)

// FuzzJudge compares, on random clusters, what Judge says of random connections with what cyclonus says. Both nodes of
// a connection judge; it is let through if both let it through.
func FuzzJudge(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		c := newCluster(seed)
		other := c.matcher()
		for range 150 {
			v4 := c.IntN(2) == 0
			conn := policy.Connection{
				Client: c.address(v4), Server: c.address(v4), Protocol: c.protocol(), Port: uint16(79 + c.IntN(7)),
			}
			if c.differs(conn) {
				continue
			}
			if got, want := c.judge(conn), c.allowed(other, conn); got != want {
				t.Fatalf("%+v: Judge says %t, cyclonus %t\n%v%v\npolicies %+v", conn, got, want,
					policy.Judge(c.input("node0"), conn), policy.Judge(c.input("node1"), conn), c.policies)
			}
		}
	})
}

// differs reports whether cyclonus does not know what decides; TestKnownDifferences has the reasons.
func (c *cluster) differs(conn policy.Connection) bool {
	isNode := slices.ContainsFunc(
		c.nodes,
		func(n policy.Node) bool { return slices.Contains(n.InternalIPs, conn.Client) },
	)
	return conn.Client == conn.Server || isNode && c.nodeOf(conn.Client) == c.nodeOf(conn.Server)
}

// nodeOf returns the name of the node that has the address or the pod with it; empty for the outside.
func (c *cluster) nodeOf(ip netip.Addr) string {
	if p := c.podOf(ip); p != nil {
		return p.Node
	}
	for _, n := range c.nodes {
		if slices.Contains(n.InternalIPs, ip) {
			return n.Name
		}
	}
	return ""
}

func (c *cluster) podOf(ip netip.Addr) *pod {
	for i := range c.pods {
		if slices.Contains(c.pods[i].Addrs, ip) {
			return &c.pods[i]
		}
	}
	return nil
}

func (c *cluster) judge(conn policy.Connection) bool {
	for _, ip := range []netip.Addr{conn.Client, conn.Server} {
		if p := c.podOf(ip); p != nil && !policy.Judge(c.input(p.Node), conn).Allowed {
			return false
		}
	}
	return true
}

func (c *cluster) matcher() *matcher.Policy {
	var all []*networkingv1.NetworkPolicy
	for _, p := range c.policies {
		all = append(all, convert(p))
	}
	return matcher.BuildNetworkPolicies(false, all)
}

// allowed asks cyclonus, which takes one name of the port: in each direction one of the server's is enough.
func (c *cluster) allowed(m *matcher.Policy, conn policy.Connection) bool {
	names := []string{""}
	if p := c.podOf(conn.Server); p != nil {
		for _, port := range p.Ports {
			if port.Number == conn.Port && port.Protocol == conn.Protocol {
				names = append(names, port.Name)
			}
		}
	}
	direction := func(ingress bool) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			return m.IsIngressOrEgressAllowed(&matcher.Traffic{
				Source: c.end(conn.Client), Destination: c.end(conn.Server), ResolvedPort: int(conn.Port),
				ResolvedPortName: name, Protocol: protocolOf(conn.Protocol),
			}, ingress).IsAllowed()
		})
	}
	return direction(true) && direction(false)
}

func (c *cluster) end(ip netip.Addr) *matcher.TrafficPeer {
	peer := &matcher.TrafficPeer{IP: ip.String()}
	if p := c.podOf(ip); p != nil {
		peer.Internal = &matcher.InternalPeer{
			PodLabels: p.labels, Namespace: p.Namespace, NamespaceLabels: c.namespaces[p.Namespace],
		}
	}
	return peer
}

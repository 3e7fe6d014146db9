package policy

import (
	"net/netip"
	"slices"
)

// end is what is at one end of a connection.
type end struct {
	addr netip.Addr
	// Pod is the pod that has the address, if it is known.
	Pod
	known bool
	// attached says that the pod is one of this node.
	attached bool
	// closed says that the address is that of a pod of this node of which nothing is known.
	closed bool
	// node says that it is this node itself.
	node bool
}

// end looks an address up. The gate knows best who has an address here. Of several who claim one, none has it.
func (c *court) end(ip netip.Addr) end {
	e := end{addr: ip, node: slices.Contains(c.self.InternalIPs, ip) || slices.Contains(c.self.Gateways, ip)}
	claims := 0
	for _, a := range c.Attached {
		if slices.Contains(a.Addrs, ip) {
			claims++
			e.attached = true
			e.Pod, e.known = c.podOf(a)
		}
	}
	if claims == 0 {
		for _, p := range c.Pods {
			if c.claims(p, ip) {
				claims++
				e.Pod, e.known = p, true
			}
		}
	}
	if claims > 1 {
		e.Pod, e.known = Pod{}, false
	}
	here := e.attached || !e.node && contain(c.self.PodCIDRs, ip)
	e.closed = here && !(e.attached && e.known)
	e.attached = e.attached && e.known
	return e
}

// podOf returns the pod that is attached; ok is false as long as the API server has not told of it.
func (c *court) podOf(a Attached) (p Pod, ok bool) {
	for _, p := range c.Pods {
		if p.Namespace == a.Namespace && p.Name == a.Name && (a.UID == "" || a.UID == p.UID) {
			return p, true
		}
	}
	return Pod{}, false
}

// claims reports whether the pod's status names the address, that is one of its node's, and the pod is not attached
// here: then the gate knows its addresses.
func (c *court) claims(p Pod, ip netip.Addr) bool {
	return slices.Contains(p.Addrs, ip) && contain(c.nodes[p.Node].PodCIDRs, ip) &&
		!slices.ContainsFunc(c.Attached, func(a Attached) bool {
			return a.Namespace == p.Namespace && a.Name == p.Name && (a.UID == "" || a.UID == p.UID)
		})
}

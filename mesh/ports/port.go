// Package ports ties each port of the node's bridge to the pod behind it: what a pod sends carries its own MAC and
// addresses, and goes up into IP, where the node's rules decide, even to a pod of the same node. It is pure: ports in,
// an nftables table of family bridge out.
package ports

import "net/netip"

// Port is a port of the bridge, with the pod that is behind it.
type Port struct {
	// Interface is the host's end of the pod's veth pair.
	Interface string
	// MAC is the pod's own, of its end of the pair.
	MAC [6]byte
	// Addrs are the pod's addresses, at most one per family.
	Addrs []netip.Addr
}

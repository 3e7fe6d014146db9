// Package ports ties each port of the node's bridge to the pod behind it: what a pod sends carries its own MAC and
// addresses, and goes up into IP, where the node's rules decide, even to a pod of the same node. It is pure: ports in,
// an nftables table of family bridge out.
package ports

import "net/netip"

// Bridge is the node's bridge of pods.
type Bridge struct {
	Name string
	// MAC is the bridge's own hardware address; zero while there is no bridge.
	MAC [6]byte
	// Ports are the names of all ports that the bridge has, in any order, whether or not a pod is known of them.
	Ports []string
}

// Port is a port of the bridge, with the pod that is behind it.
type Port struct {
	// Interface is the host's end of the pod's veth pair.
	Interface string
	// MAC is the pod's own, of its end of the pair.
	MAC [6]byte
	// Addrs are the pod's addresses, at most one per family.
	Addrs []netip.Addr
}

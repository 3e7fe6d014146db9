package explain

import (
	"net/netip"
	"strings"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/status"
)

// Facts are what was read of one node about a packet and the way back of its answer. What is nil or empty was not read:
// it is not known, and so not well.
type Facts struct {
	// Node is the own Node's name; empty where the daemon does not answer.
	Node string
	// Source says who was asked: the daemon and the kernel, or the kernel alone.
	Source     status.Source
	ObservedAt time.Time
	// Link and Bridge are the names of the WireGuard interface and of the pods' bridge.
	Link, Bridge string
	From, To     End
	// Forth is where the kernel would send the packet, Back where it would send the answer.
	Forth, Back *Route
	// Rules are warren's policy rules, Routes its routes and all others in its tables; nil where they were not read.
	Rules  []mesh.Rule
	Routes []mesh.Route
	Guard  doctor.GuardState
	// Peers are the device's, and those that it should have, whose state is PeerMissing; nil where they were not read.
	Peers    []status.Peer
	Policies Policies
	// Firewalls are what others' firewalls on the node drop, or may drop; nil where they were not read.
	Firewalls []Firewall
}

// End is one end of the connection.
type End struct {
	Addr netip.Addr
	// Pod is "namespace/name"; empty where the address is no pod's of this node.
	Pod string
	// Own says that the address is the node's own.
	Own bool
	// Port is the host's end of the pod's veth pair; empty where the address is no pod's of this node.
	Port string
	// Master is the bridge that Port is in; empty where Port is in none. Gone says that there is no such interface, Up
	// that it and the pod's end are up. Unread says that none of this could be read.
	Master           string
	Gone, Up, Unread bool
}

// String reads "shop/web-0 10.244.1.7".
func (e End) String() string { return strings.TrimSpace(e.Pod + " " + e.Addr.String()) }

// here says that the address is one of a pod of this node.
func (e End) here() bool { return e.Port != "" }

// local says that packets to the address end on this node.
func (e End) local() bool { return e.Own || e.here() }

// Route is the kernel's answer.
type Route struct {
	// Link is the outgoing interface, Table the routing table that decided. Link is empty where the packet is dropped,
	// for Reason.
	Link   string
	Table  uint32
	Reason string
}

// Firewall is a chain of somebody else's that drops packets, or may.
type Firewall struct {
	// IPv4 and IPv6 say which packets it sees, and Hook where: "forward", or "input" for those that come to the node.
	IPv4, IPv6 bool
	Hook       string
	// WireGuard says that it is about WireGuard's packets, in the hook input.
	WireGuard bool
	// In and Out are the names of the interfaces that it is about; empty where it is about all.
	In, Out string
	// Surely says that nothing passes. Otherwise whether a packet passes is a guess. Some says that it is about some
	// packets only, which need not be these.
	Surely, Some bool
	// Reason says what drops, and Remedy what mends it, without a full stop.
	Reason, Remedy string
}

// Policies are what the node's network policies say.
type Policies struct {
	// Off says that none are kept.
	Off bool
	// Allowed is what they decide, and Reason why, on one line; nil where that is not known, and Reason says why not.
	Allowed *bool
	Reason  string
}

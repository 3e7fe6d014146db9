package policy

import "net/netip"

// Policy is a NetworkPolicy. The zero value of each part lets nothing through.
type Policy struct {
	Namespace, Name string
	// Pods selects the pods of the namespace that the policy isolates.
	Pods Selector
	// IsolatesIngress and IsolatesEgress are spec.policyTypes, with the API's defaults filled in.
	IsolatesIngress, IsolatesEgress bool
	Ingress, Egress                 []Rule
}

// Rule lets connections with one of the peers to one of the ports through.
type Rule struct {
	// AllPeers says that the rule names no peers, which means all. Without it no peers are none: those that could not
	// be read were left out.
	AllPeers bool
	Peers    []Peer
	// AllPorts says that the rule names no ports, which means all of every protocol.
	AllPorts bool
	Ports    []Port
}

// Peer is a block of addresses, or else pods by their labels.
type Peer struct {
	// Pods selects pods by their labels; nil selects all pods of the namespaces.
	Pods *Selector
	// Namespaces selects namespaces by their labels; nil is the policy's own namespace.
	Namespaces *Selector
	// Block is nil for pods.
	Block *Block
}

// Block is an ipBlock: the addresses of CIDR but for those of Except. One that is not valid, such as the zero value,
// could not be read: the peer is then none, and a Problem.
type Block struct {
	CIDR   netip.Prefix
	Except []netip.Prefix
}

// Protocol is a transport protocol in nft's words: "tcp", "udp" or "sctp".
type Protocol string

// The protocols of networking.k8s.io/v1.
const (
	TCP  Protocol = "tcp"
	UDP  Protocol = "udp"
	SCTP Protocol = "sctp"
)

// Port is a port of the server, after translation of a Service's.
type Port struct {
	// Protocol is one of the constants; any other could not be read: the port is then none, and a Problem.
	Protocol Protocol
	// Name is that of a container's port; where it is not empty, Number and End are zero.
	Name string
	// Number is zero for all ports of the protocol. End is the last one of a range; zero means Number alone.
	Number, End uint16
}

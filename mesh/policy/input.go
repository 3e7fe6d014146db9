package policy

import "net/netip"

// Input is all that decides which connections of this node's pods are let through.
type Input struct {
	// Self is the name of this node among Nodes; empty where it is not known. Judge needs it to tell the node and the
	// pods that are not attached; Compile does not.
	Self string
	// Attached are the pods that the gate attached to this node, in any order.
	Attached []Attached
	// Pods are the cluster's pods, in any order, but for completed ones and those that share a host's network.
	Pods []Pod
	// Namespaces are the cluster's namespaces, in any order.
	Namespaces []Namespace
	// Policies are the cluster's NetworkPolicies, in any order.
	Policies []Policy
	// Nodes are the nodes of the mesh, in any order.
	Nodes []Node
}

// Attached is a pod that has addresses on this node's bridge. A pod that is attached and of whose labels nothing is
// known yet neither sends nor gets anything.
type Attached struct {
	Namespace, Name string
	// UID is the pod's metadata.uid. A Pod of the same name with another UID is another pod. It is empty where the
	// container runtime did not tell it: then the name decides.
	UID string
	// Addrs are the pod's addresses, at most one per family.
	Addrs []netip.Addr
}

// Pod is a pod as the API server tells of it.
type Pod struct {
	Namespace, Name, UID string
	// Node is spec.nodeName.
	Node   string
	Labels Labels
	// Addrs is status.podIPs; empty until the kubelet has written it. Of a pod that is attached to this node, those of
	// Attached count instead, which are known earlier. An address outside its node's pod CIDRs counts for nothing.
	Addrs []netip.Addr
	// Ports are the named ports of all containers, in the order of the API.
	Ports []NamedPort
}

// NamedPort is a container's port that has a name.
type NamedPort struct {
	Name     string
	Protocol Protocol
	Number   uint16
}

// Namespace is a namespace with its labels.
type Namespace struct {
	Name   string
	Labels Labels
}

// Node is a node of the mesh. A block that covers one of its InternalIPs covers its gateways of the same family too,
// because the node's own processes reach pods of other nodes from those.
type Node struct {
	Name        string
	InternalIPs []netip.Addr
	Gateways    []netip.Addr
	PodCIDRs    []netip.Prefix
}

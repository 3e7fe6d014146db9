// Package mesh is the pure core of warren: from the configuration, the own node and what every node announces, Desired
// computes what the host should look like, and Diff what to do about it. Values in, sorted values out. It owns no I/O, no
// clock, no Kubernetes and no secret: those are the business of mesh/kube, mesh/linux and mesh/agent.
package mesh

import (
	"errors"
	"net/netip"
	"time"

	"warren.mesh/keys"
)

// Node is one Kubernetes Node as it announces itself to the mesh.
type Node struct {
	// Name and UID are the Node's. A changed UID under the same name is another node.
	Name, UID string
	// Created is the Node's creationTimestamp. The earlier of two nodes in conflict wins; see Desired.
	Created time.Time
	// PublicKey is zero where the node announced none (yet), or one that is Malformed.
	PublicKey keys.Public
	// Endpoints are where to send, in order of preference: the announced ones, at most one per address family, or the
	// administrator's where force-endpoint is set.
	Endpoints []netip.AddrPort
	// PodCIDRs are the ranges of its pods, at most one per address family.
	PodCIDRs []netip.Prefix
	// NodeIPs are its InternalIPs.
	NodeIPs []netip.Addr
	// Keepalive is WireGuard's persistent keepalive towards this node; zero turns it off.
	Keepalive time.Duration
	// Malformed is what could not be read of the announcement. A node with any of it is left out.
	Malformed []Problem
}

// Announced reports whether the node has announced anything: a Node that its daemon has not reached yet has not, which
// is no Problem.
func (n Node) Announced() bool {
	return !n.PublicKey.IsZero() || len(n.Endpoints)+len(n.PodCIDRs)+len(n.NodeIPs)+len(n.Malformed) > 0
}

// Self is the node the daemon runs on, from its own full Node object.
type Self struct {
	// Name, UID and Created are the Node's.
	Name, UID string
	Created   time.Time
	// PodCIDRs is spec.podCIDRs; empty until the cluster has assigned them.
	PodCIDRs []netip.Prefix
	// NodeIPs are the InternalIPs of status.addresses; empty until the kubelet or cloud provider has reported them.
	NodeIPs []netip.Addr
	// PublicKey is the public half of the key on this node's disk.
	PublicKey keys.Public
	// Published is what the Node object says of this node now; compared with what it should say.
	Published Announcement
	// NetworkAvailable reports whether the Node's NetworkUnavailable condition is False.
	NetworkAvailable bool
	// Malformed is what could not be read of the Node: pod CIDRs and InternalIPs that are left out above. Desired passes
	// it on with its own Problems.
	Malformed []Problem
}

// ErrStale is wrapped by the error of a write that the own Node, as it is now, does not allow: it is gone, it is another one
// under the same name, or it says something else than what was to be written. Such a write must not be repeated as it
// was, but made anew from a newer Self.
var ErrStale = errors.New("the own Node has changed")

// Announcement is the text of the four annotations that a node publishes of itself. The zero value announces nothing.
type Announcement struct{ PublicKey, Endpoint, PodCIDRs, NodeIPs string }

// Field names what a Problem is about: the part of an annotation's name behind "warren.mesh/".
type Field string

// The fields of an announcement.
const (
	FieldPublicKey     Field = "public-key"
	FieldEndpoint      Field = "endpoint"
	FieldPodCIDRs      Field = "pod-cidrs"
	FieldNodeIPs       Field = "node-ips"
	FieldForceEndpoint Field = "force-endpoint"
	FieldKeepalive     Field = "persistent-keepalive"
)

// Problem is something wrong with one node, which is left out for it while all others go on; see Desired for the exception.
type Problem struct {
	// Node is the Node at fault, Field the part of its announcement.
	Node  string
	Field Field
	// Reason says what is wrong with which value, and what to do, in one sentence for an operator.
	Reason string
}

// String reads "node b: warren.mesh/public-key: REASON".
func (p Problem) String() string {
	return "node " + p.Node + ": warren.mesh/" + string(p.Field) + ": " + p.Reason
}

// Package mesh is the pure core of warren. From the configuration, the own node and what every node announces, Desired
// computes what the host should look like, Diff what to change, and State.Apply what becomes of it. It takes values and
// returns sorted values. It does no I/O, reads no clock, knows no Kubernetes and holds no secret: mesh/kube, mesh/linux
// and mesh/agent do.
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
	// Created is the Node's creationTimestamp. Of two nodes in conflict the earlier one wins; see Desired.
	Created time.Time
	// PublicKey is zero if the node has announced none yet, one that is Malformed, or one without a valid proof.
	PublicKey keys.Public
	// Endpoints are where to send packets, in order of preference: the announced ones, at most one per address family,
	// or the administrator's if force-endpoint is set.
	Endpoints []netip.AddrPort
	// PodCIDRs are the ranges of its pods, at most one per address family.
	PodCIDRs []netip.Prefix
	// NodeIPs are its InternalIPs.
	NodeIPs []netip.Addr
	// Keepalive is the interval of WireGuard's persistent keepalive between this node and each other, in both
	// directions; zero turns it off.
	Keepalive time.Duration
	// Malformed says what of the announcement cannot be read. A node with any such Problem is left out.
	Malformed []Problem
}

// Announced reports whether the node has announced anything. A node on which no daemon has run yet has not, which is no
// Problem.
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
	// PublicKey is the public half of the key on this node's disk, and Proof the proof that the Node with this UID has
	// it. Announce announces nothing without a Proof.
	PublicKey keys.Public
	Proof     keys.Proof
	// Published is what the annotations on the Node say now, to compare with what Announce returns.
	Published Announcement
	// NetworkAvailable reports whether the Node's NetworkUnavailable condition is False.
	NetworkAvailable bool
	// NetworkUnavailable reports whether it is True. Both are false while the Node has no such condition.
	NetworkUnavailable bool
	// Malformed says what of the Node cannot be read: pod CIDRs and InternalIPs that are left out above. Desired
	// returns it with its own Problems.
	Malformed []Problem
}

// ErrStale is wrapped by the error of a write that the own Node does not allow any more: the Node is gone, it is
// another one under the same name, or the write does not fit what it says now. Do not repeat such a write: make it anew
// from a newer Self.
var ErrStale = errors.New("the own Node has changed")

// Announcement is the text of the five annotations that a node publishes of itself. The zero value announces nothing.
type Announcement struct{ PublicKey, Proof, Endpoint, PodCIDRs, NodeIPs string }

// Field names what a Problem is about: an annotation, by its name without "warren.mesh/".
type Field string

// The fields of an announcement.
const (
	FieldPublicKey     Field = "public-key"
	FieldProof         Field = "proof"
	FieldEndpoint      Field = "endpoint"
	FieldPodCIDRs      Field = "pod-cidrs"
	FieldNodeIPs       Field = "node-ips"
	FieldForceEndpoint Field = "force-endpoint"
	FieldKeepalive     Field = "persistent-keepalive"
)

// Problem is something wrong with one node, which is left out while the others are not affected; see Desired for the
// exceptions.
type Problem struct {
	// Node is the Node at fault, Field the annotation.
	Node  string `json:"node"`
	Field Field  `json:"field"`
	// Reason says what is wrong with which value, and what to do, in one sentence for an operator.
	Reason string `json:"reason"`
}

// String returns text like "node b: warren.mesh/public-key: REASON".
func (p Problem) String() string {
	return "node " + p.Node + ": warren.mesh/" + string(p.Field) + ": " + p.Reason
}

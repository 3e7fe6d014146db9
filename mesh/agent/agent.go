// Package agent owns the passes that keep one node in the mesh. A pass reads what the cluster says, computes what the
// host should look like, observes what it does look like, applies the difference and reports how that went. The package
// also owns the interfaces that it consumes, the log lines, the metrics and the health endpoints. It knows neither how
// a cluster is read nor how a host is changed; mesh/loop says when a pass is made, and mesh/status holds how it went.
package agent

import (
	"context"
	"net/netip"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// Cluster is the cluster's API as the agent uses it.
type Cluster interface {
	// Synced reports whether the list of Nodes has been read in full since the start. Nothing is pruned before.
	Synced() bool
	// Waiting says in half a sentence what the daemon waits for from the API server; empty while it reads and follows
	// all.
	Waiting() string
	// Nodes returns all Nodes of the cluster as of now, in any order, the own one included.
	Nodes() []mesh.Node
	// Self returns the own Node from its full object. ok is false while the Node does not exist, or while that is not
	// known yet.
	Self() (self mesh.Self, ok bool)
	// Publish writes the five annotations of the own Node (whose UID must still be uid) in one request.
	Publish(ctx context.Context, uid string, a mesh.Announcement) error
	// SetNetworkAvailable writes the condition NetworkUnavailable=False of the own Node, unless it says that already.
	SetNetworkAvailable(ctx context.Context) error
	// SetNetworkUnavailable writes NetworkUnavailable=True with a reason for people, unless it is True already.
	SetNetworkUnavailable(ctx context.Context, reason string) error
	// PolicyInForce reports whether the admission policies check what is written to the own Node. It writes nothing.
	PolicyInForce(ctx context.Context, uid string) (bool, error)
}

// Host is the operating system's network as the agent uses it.
type Host interface {
	// Observe reads everything that warren keeps. Its cost grows with the mesh: the agent calls it at the start, after
	// a failure, when Watch reports a contradiction, and at every resync. The error names the operation, "observe the
	// host".
	Observe(ctx context.Context) (mesh.Observation, error)
	// Apply makes the change, in the fail-closed order, and goes on past independent failures: the error joins them
	// all.
	Apply(ctx context.Context, c mesh.Change) error
	// UnderlayMTU returns the MTU in bytes of the way out to the peers' addresses or, without peers, of the interface
	// that holds the own addresses.
	UnderlayMTU(own, peers []netip.Addr) (int, error)
	// InitiateHandshakes has the device begin a handshake with each of the peers, jittered, and asks again where it has
	// not begun one. It returns when it has begun all, after some seconds, or when ctx ends.
	InitiateHandshakes(ctx context.Context, peers []mesh.Peer)
	// Watch calls poke, from any goroutine, whenever somebody else changed what Observe or PassFirewalls reads, until
	// ctx ends. What Apply does pokes nobody. It calls seen from time to time, one call after the other, with the
	// statuses of the device's peers, sorted by key.
	Watch(ctx context.Context, poke func(), seen func([]mesh.PeerStatus)) error
	// PassFirewalls has the mesh pass the host's other firewalls, as far as it may. It returns what it changed, and
	// what may drop the mesh's packets all the same, with the remedy.
	PassFirewalls(ctx context.Context) (opened, doubts []string, err error)
	// Unforwarded returns those of the containers that no rule forwards host ports to any more, in IPv6 or in IPv4.
	Unforwarded(ctx context.Context, containers []string, v6 bool) (lost []string, err error)
	// Leaks returns the guard's counters by name, in packets; nil where the guard's table is absent.
	Leaks(ctx context.Context) (map[string]uint64, error)
	// Operations counts what Apply has written since the start, by kind: "route-add", "peer-set" and the like.
	Operations() map[string]uint64
}

// Key is the node's private key as the loop sees it.
type Key interface {
	// Prove returns the public half of the key, and the proof that the Node with that UID has it.
	Prove(uid string) (keys.Public, keys.Proof, error)
	// Replace sets the key aside, because another node has it too, and makes a new one. After an error the key is what
	// it was.
	Replace() (keys.Loaded, error)
}

// Attachments is the CNI configuration by which pods are attached to this node.
type Attachments interface {
	// Configure installs the configuration for these pod CIDRs and this MTU if it differs from what is there.
	Configure(podCIDRs []netip.Prefix, mtu int) (changed bool, err error)
	// HostPorts returns the pods of this node with host ports, in IPv6 or in IPv4, by the ID of the container, as a
	// text for operators.
	HostPorts(v6 bool) (pods map[string]string, err error)
	// Strays returns the addresses of pods on this node outside podCIDRs: left over from an earlier assignment.
	Strays(podCIDRs []netip.Prefix) ([]netip.Addr, error)
	// Rival returns the file of the configuration that the container runtime uses instead; empty if there is none.
	// delegates reports whether that one has pods attached by this one.
	Rival() (file string, delegates bool, err error)
	// Watch calls poke, from any goroutine, whenever what Configure and Rival look at may have changed, until ctx ends.
	Watch(ctx context.Context, poke func()) error
}

// Plugins are the CNI plugins that the container runtime executes.
type Plugins interface {
	// Replaced returns the names of those that are not warren's.
	Replaced() ([]string, error)
	// Watch calls poke, from any goroutine, whenever one of them may have changed, until ctx ends.
	Watch(ctx context.Context, poke func()) error
}

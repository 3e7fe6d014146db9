// Package status owns how the daemon of one node fares, as a value: which steps wait or fail, why and since when; what
// is wrong with which node; how many peers there are; how the last pass went. The log, the metrics, the health
// endpoints and whoever asks for the state as JSON all read that value, so that they cannot disagree. How they say it
// is theirs.
//
// Snapshot's methods are pure: they return a changed copy and take the time as an argument. Only Board holds state.
package status

import "net/netip"

// Snapshot is how the daemon fares at one moment. Its slices and maps are never changed once they are in a Snapshot, so
// a copy of the struct is a copy of the value. The zero value is a daemon that has made no pass.
type Snapshot struct {
	// Node is the own node's name.
	Node   string `json:"node"`
	Daemon Daemon `json:"daemon"`
	// ClusterCIDRs are the ranges of all pods' addresses as they are configured. Empty is a daemon without any; nil,
	// which JSON leaves out, is one that does not tell.
	ClusterCIDRs []netip.Prefix `json:"clusterCIDRs,omitzero"`
	Pass         Pass           `json:"pass"`
	// Conditions are the steps that wait, fail or warn, sorted by step. Empty means that every step is done.
	Conditions Conditions `json:"conditions,omitempty"`
	// Problems are what is wrong with nodes, in the order of the core.
	Problems []Problem `json:"problems,omitempty"`
	Peers    Peers     `json:"peers"`
	Pods     Pods      `json:"pods"`
	Policies Policies  `json:"policies,omitempty"`
	// Enforcement is how the pass over network policies fares, which has steps of its own.
	Enforcement Enforcement `json:"enforcement,omitzero"`
	Watch       Watch       `json:"watch"`
	// KeyReplacements counts, since the start, how often the private key was replaced because an elder node has it too.
	KeyReplacements uint64 `json:"keyReplacements"`
}

// Daemon is what does not change while a daemon runs.
type Daemon struct {
	// Version is warren's.
	Version string `json:"version"`
	// Backend is "kernel" or "userspace", and BackendReason why that one was chosen.
	Backend       string `json:"backend"`
	BackendReason string `json:"backendReason"`
}

// Peers counts WireGuard peers.
type Peers struct {
	// Desired is how many this node should have, and Programmed how many its device has.
	Desired    int `json:"desired"`
	Programmed int `json:"programmed"`
	// Held is how many of the programmed ones are gone from the cluster, and kept because so many went at once.
	Held int `json:"held,omitempty"`
	// Unanswered is how many have not answered what went to them for 16 seconds or longer, and Turns counts, since the
	// start, the endpoints that were set for such peers.
	Unanswered int    `json:"unanswered"`
	Turns      uint64 `json:"turns"`
}

// Pods is what is known of the pods on this node.
type Pods struct {
	// CIDRs are the ranges that pods get addresses from.
	CIDRs []netip.Prefix `json:"cidrs,omitempty"`
	// Effective reports whether the container runtime uses warren's CNI configuration, so far as its files tell.
	Effective bool `json:"effective"`
	// Strays are the addresses of pods outside CIDRs: they were assigned before the ranges changed.
	Strays []netip.Addr `json:"strays,omitempty"`
}

// Policies says whether an admission policy checks what is announced of this node. Empty means not known.
type Policies string

// What is known of the admission policies.
const (
	PoliciesInForce Policies = "in force"
	PoliciesMissing Policies = "missing"
)

// Watch is how the watch over the host fares.
type Watch struct {
	// Restarts counts its interruptions since the start, and Interruption is the last one's error on one line.
	Restarts     uint64 `json:"restarts"`
	Interruption string `json:"interruption,omitempty"`
}

// WithInterruption returns s after the watch over the host ended with err.
func (s Snapshot) WithInterruption(err error) Snapshot {
	s.Watch.Restarts++
	s.Watch.Interruption = oneLine(err)
	return s
}

package doctor

import (
	"cmp"
	"net/netip"
	"time"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// Node is what was read of one node. What is nil or zero was not read: it is not known, and so not well.
type Node struct {
	Report status.Report
	// Rival is the other CNI configuration.
	Rival *Rival
	// MTU is the mesh's.
	MTU *MTU
	// Guard is how the guard's table is found in the kernel.
	Guard GuardState
	// Drops are the packets that the guard has dropped while it was watched, by counter, and Watched for how long.
	Drops   map[string]uint64
	Watched time.Duration
	// Firewalls are what others' firewalls drop of the mesh's packets, or may drop; nil where they were not read.
	Firewalls []Firewall
	// KernelWireGuard says whether the kernel has WireGuard. It is asked where the device is not the kernel's.
	KernelWireGuard *bool
	// KeyMade is when the private key was made.
	KeyMade time.Time
	// Proof is what probes have shown; nil where none were asked for.
	Proof *Proof
}

// Rival is a CNI configuration that sorts before warren's; the zero value says that there is none.
type Rival struct {
	File string
	// Delegates says that it refers to warren's, by which pods are attached then.
	Delegates bool
}

// Firewall is a chain of somebody else's that drops packets of the mesh's, or may.
type Firewall struct {
	// Surely says that nothing passes. Otherwise whether a packet passes is a guess.
	Surely bool
	// Text says what drops, and what mends it.
	Text string
}

// MTU is the mesh's, in bytes, with what the kernel knows of the paths that its packets take.
type MTU struct {
	Link int
	// Paths are the path MTUs by endpoint: the outgoing interface's, or less where a router has said so.
	Paths map[netip.Addr]int
}

// GuardState is how the guard's table is found in the kernel.
type GuardState string

// The states of the guard's table. Empty is unknown.
const (
	GuardWhole   GuardState = "whole"
	GuardAltered GuardState = "altered"
	GuardAbsent  GuardState = "absent"
)

// overhead returns what WireGuard adds to a packet to an endpoint, in bytes: 20 of IPv4 or 40 of IPv6, 8 of UDP and 32
// of its own.
func overhead(endpoint netip.Addr) int {
	if endpoint.Unmap().Is4() {
		return 60
	}
	return 80
}

// keyLife is how old a private key may be before it is a finding.
const keyLife = 365 * 24 * time.Hour

// found is how a check went, before it has an ID and a remedy.
type found struct {
	result         view.Result
	figure, detail string
	// remedy is in the place of the entry's; empty for that one.
	remedy string
}

var (
	well       = found{result: view.OK}
	daemonDown = found{result: view.Unknown, detail: "the daemon does not answer"}
)

// CheckNode makes all checks that are told on a node, in the order of their IDs.
func CheckNode(n Node) []view.Check {
	return checks(OnCluster, map[ID]func() found{
		APIServer: n.apiServer, AdmissionPolicies: n.admission, DaemonReady: n.ready, NodesInMesh: n.inMesh,
		Sessions: n.sessions, Endpoints: n.endpoints, Keepalive: n.keepalive, CNIConfiguration: n.configuration,
		HostFirewall: n.hostFirewall, PathMTU: n.pathMTU, ClusterCIDRs: n.clusterCIDRs, GuardUnaltered: n.guard,
		GuardDrops: n.drops, Backend: n.backend, StrayPods: n.strays, KeyAge: n.keyAge,
		Services: n.services,
	})
}

// checks makes all checks but those of a scope.
func checks(but Scope, by map[ID]func() found) []view.Check {
	var all []view.Check
	for _, e := range entries {
		if e.Scope != but {
			all = append(all, by[e.ID]().of(e))
		}
	}
	return all
}

// of returns the check of an entry. A remedy is for what was found, which what is not known may hide.
func (f found) of(e Entry) view.Check {
	c := view.Check{ID: string(e.ID), Name: e.Title, Result: f.result, Figure: f.figure, Detail: f.detail}
	if f.result == view.Warn || f.result == view.Fail || f.remedy != "" {
		c.Remedy, c.Runbook = cmp.Or(f.remedy, e.Remedy), e.ID.Anchor()
	}
	return c
}

package lab

import (
	"net/netip"
	"time"

	"warren.mesh/test/lab/tb"
)

// TB is what the lab needs of a *testing.T. The command has its own.
type TB = tb.TB

// Wait polls until condition returns nil; see tb.Wait.
func Wait(t TB, within time.Duration, what string, condition func() error) time.Duration {
	t.Helper()
	return tb.Wait(t, within, what, condition)
}

// Family says which IP families a cluster has.
type Family int

// The families of a cluster. Dual is IPv4 first, as most clusters have it.
const (
	IPv4 Family = iota
	IPv6
	Dual
)

// RPFilter is net.ipv4.conf.*.rp_filter of the nodes.
type RPFilter int

// The modes of reverse path filtering (Documentation/networking/ip-sysctl.rst). Loose is the zero value here because it
// is what systemd sets on most distributions.
const (
	Loose RPFilter = iota
	Strict
	Off
)

// Options describe a lab. The zero value is an IPv4 lab of three nodes.
type Options struct {
	// Name tells labs apart: two of the same name never run at once, a new one ends the old. Empty: made from the
	// test's.
	Name string
	// Nodes is how many nodes it starts with; 0 means 3. They are called node1, node2, …
	Nodes int
	// Family is the cluster's: of node, pod and service addresses and of the API server.
	Family Family
	// RPFilter applies to every interface of every node.
	RPFilter RPFilter
	// MTU is of the underlay, in bytes; 0 means 1500.
	MTU int
	// NoPolicies leaves warren's admission policies out: for what they would not let anybody write.
	NoPolicies bool
	// Keep leaves the lab running when the process that started it ends, unless the test failed.
	Keep bool
	// Kubelets makes the nodes machines for container runtimes and kubelets, which whoever starts the lab starts there:
	// they register themselves. All controllers run, and no manifests are loaded.
	Kubelets bool
}

// NodeOptions describe a node that joins. The zero value is the next one in line.
type NodeOptions struct {
	// Name is the Node's; empty means nodeN with the next N.
	Name string
	// IPs are its InternalIPs on its network, one a family; empty means those with the next N.
	IPs []netip.Addr
	// Home puts the node behind a router that masquerades what it sends and lets nothing in that was not asked for. Its
	// own addresses are out of reach for the other nodes.
	Home bool
	// PodCIDRs is spec.podCIDRs; empty leaves them to the controller manager.
	PodCIDRs []netip.Prefix
}

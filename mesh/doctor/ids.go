package doctor

import "slices"

// ID names a check: W and two digits. An ID is never given to another check.
type ID string

// Runbooks is the page that has a heading for each ID, in the repository.
const Runbooks = "docs/runbooks.md"

// Anchor returns where the check's runbook is: docs/runbooks.md#W07.
func (id ID) Anchor() string { return Runbooks + "#" + string(id) }

// The checks.
const (
	APIServer         ID = "W01"
	KubernetesVersion ID = "W02"
	AdmissionPolicies ID = "W03"
	DaemonReady       ID = "W04"
	DaemonVersions    ID = "W05"
	NodesInMesh       ID = "W06"
	Sessions          ID = "W07"
	Endpoints         ID = "W08"
	Keepalive         ID = "W09"
	CNIConfiguration  ID = "W10"
	HostFirewall      ID = "W11"
	PathMTU           ID = "W12"
	ClusterCIDRs      ID = "W13"
	GuardUnaltered    ID = "W14"
	GuardDrops        ID = "W15"
	Backend           ID = "W16"
	StrayPods         ID = "W17"
	KeyAge            ID = "W18"
	Services          ID = "W19"
)

// Scope says where a check is told.
type Scope int

// A check of OnBoth is told of each node and of the cluster as a whole.
const (
	OnBoth Scope = iota
	OnNode
	OnCluster
)

// Entry is what is known of a check before it is made.
type Entry struct {
	ID ID
	// Title says what is well if the check is, in a few words.
	Title string
	// Remedy says in one line what to do if it is not.
	Remedy string
	Scope  Scope
}

// Entries returns all checks, sorted by ID.
func Entries() []Entry { return slices.Clone(entries) }

var entries = []Entry{
	{APIServer, "API server answers, and rights suffice",
		"look at the API server, the way to it and warren's ClusterRole", OnBoth},
	{KubernetesVersion, "Kubernetes is 1.33 or later",
		"upgrade Kubernetes: an older API server does not take all of the admission policies", OnCluster},
	{AdmissionPolicies, "admission policies are there and deny",
		"apply warren's manifests again: without the four policies one stolen token speaks for every node", OnBoth},
	{DaemonReady, "daemons are ready",
		"do what the reason says; the log of that node's daemon has more, and kubectl describe node of a NotReady one",
		OnBoth},
	{DaemonVersions, "versions are within one minor",
		"let the DaemonSet's rollout finish: kubectl -n kube-system rollout status ds/warren", OnCluster},
	{NodesInMesh, "no node is left out",
		"mend what the problem names on that Node: an address, a range or a key that another node has", OnBoth},
	{Sessions, "peers answer",
		"let WireGuard's UDP port through between the two nodes' addresses, both ways", OnBoth},
	{Endpoints, "endpoints are as announced",
		"if there is NAT, set the annotation warren.mesh/force-endpoint; else find out who reroutes packets", OnNode},
	{Keepalive, "peers behind NAT have a keepalive",
		"set the annotation warren.mesh/persistent-keepalive of the node behind NAT, to 25 for instance", OnNode},
	{CNIConfiguration, "no other CNI configuration comes first",
		"remove the other file from the CNI configuration directory, or rename it so that it sorts later", OnNode},
	{HostFirewall, "no host firewall is in the way",
		"on that node run the command that is named, and put the same into the configuration of its firewall", OnNode},
	{PathMTU, "path MTU carries the mesh's MTU",
		"set --mtu (WARREN_MTU) to the least that the paths carry on all nodes, or mend the underlay", OnNode},
	{ClusterCIDRs, "cluster CIDRs hold all pod CIDRs, and nothing else",
		"set --cluster-cidrs (WARREN_CLUSTER_CIDRS) to kube-controller-manager's --cluster-cidr", OnBoth},
	{GuardUnaltered, "guard's table is in force and unaltered",
		"find out who changes the nftables table inet warren; the daemon mends it within two seconds, unless /readyz " +
			"says that nft crashed: then do what that says", OnNode},
	{GuardDrops, "guard drops nothing",
		"see which counter grows: nft list counters table inet warren; each is explained in the runbook", OnNode},
	{Backend, "WireGuard is the kernel's where it could be",
		"set --wireguard (WARREN_WIREGUARD) to auto: the kernel's device is faster", OnNode},
	{StrayPods, "pods have addresses of the node's pod CIDRs",
		"delete the pods with the addresses that are named: they are from an earlier pod CIDR", OnNode},
	{KeyAge, "private key is younger than a year",
		"replace the key of one node after the other: move the key file away and delete the daemon's pod", OnNode},
	{Services, "Services do not go around network policies",
		"run kube-proxy in mode nftables or iptables, and kube-proxy --cleanup between the modes", OnNode},
}

// Find returns the entry of a check, or false for an ID that there is not.
func Find(id ID) (Entry, bool) {
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.ID == id })
	if i < 0 {
		return Entry{}, false
	}
	return entries[i], true
}

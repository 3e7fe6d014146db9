package status

import (
	"net/netip"
	"time"

	"warren.mesh/mesh"
)

// Cluster is what the API server tells of a mesh, to somebody who may read it. What could not be read is named in
// Unread: it is not known, and so not well.
type Cluster struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Source     Source    `json:"source"`
	ObservedAt time.Time `json:"observedAt"`
	// Kubernetes is the API server's version; empty where it was not read.
	Kubernetes string `json:"kubernetes,omitempty"`
	// Nodes are sorted by name.
	Nodes []ClusterNode `json:"nodes,omitempty"`
	// Problems are what the core finds wrong with the Nodes, as every daemon does.
	Problems []mesh.Problem `json:"problems,omitempty"`
	// Admission are warren's admission policies that are there and deny, by name, sorted.
	Admission []string `json:"admissionPolicies,omitempty"`
	// ServiceCIDRs are the ranges of Services.
	ServiceCIDRs []netip.Prefix `json:"serviceCIDRs,omitempty"`
	// Unread says what could not be read.
	Unread []Unread `json:"unread,omitempty"`
}

// ClusterKind is Cluster's kind.
const ClusterKind = "ClusterReport"

// ClusterNode is a Node as the API server tells of it.
type ClusterNode struct {
	Name string `json:"name"`
	// Zone is the label topology.kubernetes.io/zone.
	Zone string `json:"zone,omitempty"`
	// Ready says that the Node's condition Ready is True.
	Ready bool `json:"ready"`
	// Announced says that the Node carries a daemon's announcement.
	Announced bool `json:"announced"`
	// PodCIDRs is spec.podCIDRs, and NodeIPs are the InternalIPs; what cannot be parsed is left out.
	PodCIDRs []netip.Prefix `json:"podCIDRs,omitempty"`
	NodeIPs  []netip.Addr   `json:"nodeIPs,omitempty"`
	// Daemon is warren's pod on the node; nil where there is none, or pods were not read.
	Daemon *DaemonPod `json:"daemon,omitempty"`
}

// DaemonPod is a pod of warren's DaemonSet.
type DaemonPod struct {
	Name string `json:"name"`
	// Ready says that the pod is ready, and Reason why it is not.
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
	// Image is that of the daemon's container.
	Image string `json:"image,omitempty"`
}

// Part is something of a cluster that is read at once.
type Part string

// The parts of a Cluster.
const (
	PartVersion   Part = "version"
	PartNodes     Part = "nodes"
	PartPods      Part = "pods"
	PartAdmission Part = "admission policies"
	PartServices  Part = "service ranges"
)

// Unread is a part that could not be read, and why.
type Unread struct {
	Part   Part   `json:"part"`
	Reason string `json:"reason"`
}

// Missing returns why a part could not be read; empty where it was.
func (c Cluster) Missing(part Part) string {
	for _, u := range c.Unread {
		if u.Part == part {
			return u.Reason
		}
	}
	return ""
}

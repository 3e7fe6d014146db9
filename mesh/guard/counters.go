package guard

import "warren.mesh/mesh/nft"

// The counters, in packets. The metrics show them by these names.
const (
	leakPod             = "leak-pod"
	leakNode            = "leak-node"
	leakSource          = "leak-source"
	loop                = "loop"
	masqueradedIntoMesh = "masqueraded-into-mesh"
	plainToPod          = "plain-to-pod"
	spoofedByPod        = "spoofed-by-pod"
	spoofedOnUnderlay   = "spoofed-on-underlay"
)

func counters() []nft.Counter {
	return []nft.Counter{
		{Name: leakPod, Comment: "dropped: to a pod, not via the mesh"},
		{Name: leakNode, Comment: "dropped: from a pod or the mesh to a mesh node, not via the mesh"},
		{Name: leakSource, Comment: "dropped: to the outside with a pod's address as source"},
		{Name: loop, Comment: "dropped: WireGuard inside WireGuard"},
		{Name: plainToPod, Comment: "dropped: to a pod, in plain text from outside the mesh"},
		{Name: spoofedByPod, Comment: "dropped: from a pod, with a source that is no pod's of this node"},
		{Name: spoofedOnUnderlay, Comment: "dropped: from the underlay, with a pod's address as source"},
		{
			Name:    masqueradedIntoMesh,
			Comment: "masqueraded into the mesh: from an address that peers do not allow this node",
		},
	}
}

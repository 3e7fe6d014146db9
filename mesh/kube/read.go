package kube

import (
	corev1 "k8s.io/api/core/v1"

	"warren.mesh/mesh"
)

// ReadNode returns what a Node says of itself and what an administrator says of it. It needs no cluster: the object may
// come from a file. PublicKey and Proof of self are not set: see self.Published.
func ReadNode(object *corev1.Node) (self mesh.Self, o mesh.Overrides) {
	meta := summarizeMeta(&object.ObjectMeta)
	return parseOwn(summarizeFull(object, meta)), meta.overrides
}

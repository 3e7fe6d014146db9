package nodeobject

import (
	"strings"

	"warren.mesh/mesh"
)

// Prefix begins the name of every annotation of warren's; a mesh.Field follows.
const Prefix = "warren.mesh/"

// Annotation returns the full name of the annotation that carries the field.
func Annotation(field mesh.Field) string { return Prefix + string(field) }

// readAnnotations returns the annotations that warren reads; an absent one is empty. The values are copied, so that
// they do not keep the buffer alive from which the object was decoded.
func readAnnotations(all map[string]string) (mesh.Announcement, mesh.Overrides) {
	value := func(field mesh.Field) string { return strings.Clone(all[Annotation(field)]) }
	return mesh.Announcement{
			PublicKey: value(mesh.FieldPublicKey),
			Proof:     value(mesh.FieldProof),
			Endpoint:  value(mesh.FieldEndpoint),
			PodCIDRs:  value(mesh.FieldPodCIDRs),
			NodeIPs:   value(mesh.FieldNodeIPs),
		}, mesh.Overrides{
			ForceEndpoint: value(mesh.FieldForceEndpoint),
			Keepalive:     value(mesh.FieldKeepalive),
		}
}

// Annotations returns the five annotations that a daemon writes on its own Node. Empty values are included.
func Annotations(a mesh.Announcement) map[string]string {
	return map[string]string{
		Annotation(mesh.FieldPublicKey): a.PublicKey,
		Annotation(mesh.FieldProof):     a.Proof,
		Annotation(mesh.FieldEndpoint):  a.Endpoint,
		Annotation(mesh.FieldPodCIDRs):  a.PodCIDRs,
		Annotation(mesh.FieldNodeIPs):   a.NodeIPs,
	}
}

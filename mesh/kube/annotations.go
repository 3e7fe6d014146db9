package kube

import (
	"strings"

	"warren.mesh/mesh"
)

// Prefix is what the names of all of warren's annotations begin with; the rest is a mesh.Field.
const Prefix = "warren.mesh/"

// Annotation is the full name of the annotation that carries a field.
func Annotation(field mesh.Field) string { return Prefix + string(field) }

// readAnnotations picks what warren reads from a Node's annotations; what is absent is empty. The values are copied, so
// that they don't keep the buffer alive that the object was decoded from.
func readAnnotations(all map[string]string) (mesh.Announcement, mesh.Overrides) {
	value := func(field mesh.Field) string { return strings.Clone(all[Annotation(field)]) }
	return mesh.Announcement{
			PublicKey: value(mesh.FieldPublicKey),
			Endpoint:  value(mesh.FieldEndpoint),
			PodCIDRs:  value(mesh.FieldPodCIDRs),
			NodeIPs:   value(mesh.FieldNodeIPs),
		}, mesh.Overrides{
			ForceEndpoint: value(mesh.FieldForceEndpoint),
			Keepalive:     value(mesh.FieldKeepalive),
		}
}

// annotations are the four that a daemon writes of its own Node. All of them are there, also those that are empty.
func annotations(a mesh.Announcement) map[string]string {
	return map[string]string{
		Annotation(mesh.FieldPublicKey): a.PublicKey,
		Annotation(mesh.FieldEndpoint):  a.Endpoint,
		Annotation(mesh.FieldPodCIDRs):  a.PodCIDRs,
		Annotation(mesh.FieldNodeIPs):   a.NodeIPs,
	}
}

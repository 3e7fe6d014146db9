package kube

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh"
)

// nodeSummary is the part of a Node's metadata that is cached. The rest (managedFields, labels, others' annotations) is
// most of its size, and resourceVersion changes with every heartbeat.
type nodeSummary struct {
	name, uid string
	// created is in seconds since 1970, the API's precision. It is not a time.Time, because two equal ones need not be
	// ==.
	created      int64
	announcement mesh.Announcement
	overrides    mesh.Overrides
}

func (s nodeSummary) nodeName() string { return s.name }

func (s nodeSummary) createdAt() time.Time { return time.Unix(s.created, 0).UTC() }

// summarizeNode copies what matters, so that the rest of the object can be freed. It also accepts a nodeSummary,
// because the reflector passes some objects through it twice.
func summarizeNode(object any) (nodeSummary, error) {
	switch o := object.(type) {
	case nodeSummary:
		return o, nil
	case *metav1.PartialObjectMetadata:
		return summarizeMeta(&o.ObjectMeta), nil
	default:
		return nodeSummary{}, fmt.Errorf("summarize a Node: unexpected type %T", object)
	}
}

func summarizeMeta(m *metav1.ObjectMeta) nodeSummary {
	s := nodeSummary{name: strings.Clone(m.Name), uid: strings.Clone(string(m.UID)),
		created: m.CreationTimestamp.Unix()}
	s.announcement, s.overrides = readAnnotations(m.Annotations)
	return s
}

func parseNode(s nodeSummary) mesh.Node {
	return mesh.ParseNode(mesh.Identity{Name: s.name, UID: s.uid, Created: s.createdAt()}, s.announcement, s.overrides)
}

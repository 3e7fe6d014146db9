package nodeobject

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh"
)

// Summary is the part of a Node's metadata that is cached. The rest (managedFields, labels, others' annotations) is
// most of its size, and resourceVersion changes with every heartbeat. Equal summaries mean that nothing changed.
type Summary struct {
	Name, UID string
	// Created is in seconds since 1970, the API's precision. It is not a time.Time, because two equal ones need not be
	// ==.
	Created      int64
	Announcement mesh.Announcement
	Overrides    mesh.Overrides
}

// NodeName returns the name of the Node.
func (s Summary) NodeName() string { return s.Name }

func (s Summary) createdAt() time.Time { return time.Unix(s.Created, 0).UTC() }

// Summarize copies what matters of a Node's metadata, so that the rest of the object can be freed. It also accepts a
// Summary, because the reflector passes some objects through it twice. An object of another type is an error.
func Summarize(object any) (Summary, error) {
	switch o := object.(type) {
	case Summary:
		return o, nil
	case *metav1.PartialObjectMetadata:
		return summarizeMeta(&o.ObjectMeta), nil
	default:
		return Summary{}, fmt.Errorf("summarize a Node: unexpected type %T", object)
	}
}

func summarizeMeta(m *metav1.ObjectMeta) Summary {
	s := Summary{Name: strings.Clone(m.Name), UID: strings.Clone(string(m.UID)),
		Created: m.CreationTimestamp.Unix()}
	s.Announcement, s.Overrides = readAnnotations(m.Annotations)
	return s
}

// Parse returns what the Node says, and what an administrator says of it, in the core's terms.
func Parse(s Summary) mesh.Node {
	return mesh.ParseNode(mesh.Identity{Name: s.Name, UID: s.UID, Created: s.createdAt()}, s.Announcement, s.Overrides)
}

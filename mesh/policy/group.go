package policy

import "fmt"

// group is a number of pods of the cluster.
type group struct {
	kind groupKind
	// namespace holds where namespaces is nil.
	namespace        string
	pods, namespaces Selector
	byNamespaces     bool
}

type groupKind int

const (
	selected groupKind = iota
	everyPod           // of the cluster
	attached           // to this node
)

// groupOf returns the pods of a peer that is no block. Those of all namespaces are known by their addresses.
func groupOf(p Peer, namespace string) group {
	g := group{namespace: namespace}
	if p.Pods != nil {
		g.pods = *p.Pods
	}
	if p.Namespaces != nil {
		g.namespace, g.namespaces, g.byNamespaces = "", *p.Namespaces, true
	}
	return g
}

func (g group) content() string {
	return fmt.Sprintf(
		"%d %q %t %s / %s",
		g.kind,
		g.namespace,
		g.byNamespaces,
		g.namespaces.content(),
		g.pods.content(),
	)
}

// String returns "x: app=db", or "namespaces team=a: app=db".
func (g group) String() string {
	switch {
	case g.kind == everyPod:
		return "all pods"
	case g.kind == attached:
		return "pods of this node"
	case g.byNamespaces:
		return "namespaces " + g.namespaces.String() + ": " + g.pods.String()
	default:
		return g.namespace + ": " + g.pods.String()
	}
}

// home is the namespace of a pod as far as groups ask of it.
type home struct {
	name   string
	labels Labels
	// known is false as long as the API server has not told of the namespace: then nothing is known of its labels.
	known bool
}

// admits reports whether pods of the namespace may be in the group.
func (g group) admits(h home) bool {
	switch {
	case g.kind != selected:
		return true
	case g.byNamespaces:
		return h.known && g.namespaces.Matches(h.labels)
	default:
		return g.namespace == h.name
	}
}

// owner is the pod that has an address; the zero value is none.
type owner struct {
	*Pod
	home home
	// attached says that it is attached to this node.
	attached bool
}

// has reports whether a pod of a namespace that the group admits is in it.
func (g group) has(o owner) bool {
	return g.kind == everyPod || g.kind == attached && o.attached || g.kind == selected && g.pods.Matches(o.Labels)
}

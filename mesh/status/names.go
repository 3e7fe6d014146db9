package status

import "strings"

// Names returns the names of nodes, pods, namespaces and policies that a report has, in no order, some more than once.
func (r Report) Names() (names []string) {
	for _, p := range r.Peers {
		names = append(names, p.Node)
	}
	if r.Status == nil {
		return names
	}
	names = append(names, r.Status.Node)
	for _, p := range r.Status.Problems {
		names = append(names, p.Node)
	}
	for _, p := range r.Status.Enforcement.Problems {
		names = append(names, p.Namespace, p.Name)
	}
	return names
}

// Names returns the names of nodes, zones, warren's pods and their images that were read, without tags, and of the
// images' registries, in no order, some more than once.
func (c Cluster) Names() (names []string) {
	for _, n := range c.Nodes {
		names = append(names, n.Name, n.Zone)
		if n.Daemon != nil {
			names = append(append(names, n.Daemon.Name), imageNames(n.Daemon.Image)...)
		}
	}
	for _, p := range c.Problems {
		names = append(names, p.Node)
	}
	return names
}

// ownName is in the names of the manifests' image, of the annotations and of all documents.
const ownName = "warren.mesh"

// imageNames returns an image's name without tag and digest, and its registry's. That of the manifests has none.
func imageNames(image string) (names []string) {
	name, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	registry, _, found := strings.Cut(name, "/")
	switch {
	case registry == ownName:
		return nil
	case found && strings.ContainsAny(registry, ".:"):
		host, _, _ := strings.Cut(registry, ":")
		return []string{name, registry, host}
	default:
		return []string{name}
	}
}

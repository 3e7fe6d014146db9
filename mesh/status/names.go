package status

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

// Names returns the names of nodes, zones and warren's pods that were read, in no order, some more than once.
func (c Cluster) Names() (names []string) {
	for _, n := range c.Nodes {
		names = append(names, n.Name, n.Zone)
		if n.Daemon != nil {
			names = append(names, n.Daemon.Name)
		}
	}
	for _, p := range c.Problems {
		names = append(names, p.Node)
	}
	return names
}

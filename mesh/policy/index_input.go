package policy

// Input returns all that was set, for Judge on the node of that name. It copies it, and costs what there is of pods.
func (ix *Index) Input(self string) Input {
	in := Input{Self: self}
	for _, of := range ix.locals {
		for _, l := range of {
			in.Attached = append(in.Attached, l.Attached)
		}
	}
	for _, of := range ix.pods {
		for _, p := range of {
			in.Pods = append(in.Pods, p.Pod)
		}
	}
	for name, labels := range ix.namespaces {
		in.Namespaces = append(in.Namespaces, Namespace{name, labels})
	}
	for _, of := range ix.statutes {
		for _, s := range of {
			in.Policies = append(in.Policies, s.Policy)
		}
	}
	for _, n := range ix.nodes {
		in.Nodes = append(in.Nodes, *n)
	}
	return in
}

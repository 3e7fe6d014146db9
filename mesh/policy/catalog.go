package policy

import (
	"iter"
	"slices"

	"warren.mesh/mesh/nft"
)

// catalog finds the sets of pods and of named ports that a pod may be in without asking all of them. A set lies on one
// shelf by what it wants of the namespace, and there under what it wants of the pod: a label that every pod of the set
// has, or the empty text. Of a set with a choice of labels each is a place of its own, and a pod has one of them.
type catalog map[string]shelf

type shelf map[string][]*set

// Shelves of sets that do not want a label of the namespace; each label has a "=".
const (
	anyNamespace = "any namespace"
	onThisNode   = "this node"
	byName       = "namespace "
)

// add puts in a set; one of another kind than these is left out.
func (c catalog) add(s *set) {
	if s.kind != podSet && s.kind != portSet {
		return
	}
	for _, name := range s.group.shelves() {
		for _, l := range s.group.pods.anyOf() {
			if c[name] == nil {
				c[name] = shelf{}
			}
			c[name][l] = append(c[name][l], s)
		}
	}
}

// remove takes out what add put in.
func (c catalog) remove(s *set) {
	if s.kind != podSet && s.kind != portSet {
		return
	}
	for _, name := range s.group.shelves() {
		for _, l := range s.group.pods.anyOf() {
			left := slices.DeleteFunc(c[name][l], func(other *set) bool { return other == s })
			if c[name][l] = left; len(left) == 0 {
				delete(c[name], l)
			}
		}
		if len(c[name]) == 0 {
			delete(c, name)
		}
	}
}

// shelves returns where a set of the group lies.
func (g group) shelves() []string {
	switch {
	case g.kind == attached:
		return []string{onThisNode}
	case g.kind == everyPod:
		return []string{anyNamespace}
	case !g.byNamespaces:
		return []string{byName + g.namespace}
	}
	labels := g.namespaces.anyOf()
	if slices.Contains(labels, "") {
		return []string{anyNamespace}
	}
	return labels
}

// anyOf returns labels of which whatever the selector selects has exactly one: those of the requirement that leaves the
// least choice. Where no requirement asks for a value, it returns the empty text alone.
func (s Selector) anyOf() (labels []string) {
	least := Requirement{}
	for _, r := range s.Requirements {
		if r.Operator == In && (least.Key == "" || len(r.Values) < len(least.Values)) {
			least = r
		}
	}
	if least.Key == "" {
		return []string{""}
	}
	for _, value := range least.Values {
		labels = append(labels, label(least.Key, value))
	}
	slices.Sort(labels)
	return slices.Compact(labels)
}

// of returns the shelves for the pods of a namespace, but for the one of this node's pods.
func (c catalog) of(h home) (shelves []shelf) {
	take := func(name string) {
		if found := c[name]; found != nil {
			shelves = append(shelves, found)
		}
	}
	take(anyNamespace)
	take(byName + h.name)
	if h.known {
		for l := range h.labels.all() {
			take(l)
		}
	}
	return shelves
}

// elements returns what the sets on the shelves hold because a pod has the address.
func (c catalog) elements(shelves []shelf, of held) iter.Seq[nft.Element] {
	return func(yield func(nft.Element) bool) {
		if of.Pod == nil {
			return
		}
		if of.attached && !of.elements(c[onThisNode], "", yield) {
			return
		}
		for _, s := range shelves {
			if !of.elements(s, "", yield) {
				return
			}
			for l := range of.Labels.all() {
				if !of.elements(s, l, yield) {
					return
				}
			}
		}
	}
}

// elements yields those of the sets in one place, as long as it may.
func (h held) elements(on shelf, place string, yield func(nft.Element) bool) bool {
	for _, s := range on[place] {
		if !s.group.admits(h.home) {
			continue
		}
		for _, e := range s.ofPod(h.owner, h.ip) {
			if !yield(e) {
				return false
			}
		}
	}
	return true
}

package policy

import (
	"net/netip"
	"slices"
	"unique"

	"warren.mesh/mesh/nft"
)

// Index is the same as Compile, step by step: what is set costs what it touches, not the cluster. Between two commits
// the order of changes does not matter. The zero value is not usable: make one with NewIndex. Its methods may not be
// called at the same time.
type Index struct {
	namespaces map[string]Labels
	nodes      map[string]*Node
	// gateways are the nodes by their gateways' addresses.
	gateways map[netip.Addr][]*Node
	// pods are by namespace and name, statutes too.
	pods     map[string]map[string]*pod
	statutes map[string]map[string]*statute
	// locals are the attached pods by "namespace/name"; several while an earlier UID is not detached.
	locals map[string][]*local
	// here are the attached pods by address, there all others by the addresses that count. Of an address that
	// several others claim, contested has all.
	here      map[netip.Addr][]*local
	there     map[netip.Addr]*pod
	contested map[netip.Addr][]*pod
	// astray are pods with an address outside their node's pod CIDRs, faulty policies that are not kept as they are.
	astray map[*pod]bool
	faulty map[*statute]bool

	committed
	changes
}

// committed is what the edits so far have made of the table.
type committed struct {
	standings map[netip.Addr]standing
	profiles  map[string]*counted[*profile]
	sets      map[string]*counted[*set]
	ranges    [2][]nft.Element
	// catalog has the sets of pods and of named ports.
	catalog catalog
}

// changes is what has changed since the last commit, as it was then.
type changes struct {
	// owners are those that the addresses had.
	owners map[netip.Addr]owner
	// byGateway are the nodes that had the gateways.
	byGateway map[netip.Addr][]*Node
	// rules are attached pods whose list of policies may have changed.
	rules map[*local]bool
	// moved are nodes with other pod CIDRs.
	moved map[string]bool
}

// counted is something that is in the table as often as it is used at least once.
type counted[T any] struct {
	of   T
	uses int
}

// pod is a Pod with what the Index knows of it.
type pod struct {
	Pod
	// claimed are those of its addresses that are in there.
	claimed []netip.Addr
}

// local is an attached pod.
type local struct {
	Attached
	// pod is nil as long as nothing is known of it.
	pod *pod
	// selecting are the policies that select it, sorted. They say nothing without a pod.
	selecting []*statute
	// egress and ingress are what follows from them for addresses of each family; nil where nothing isolates the pod.
	egress, ingress [2]*profile
}

// NewIndex returns an Index of nothing.
func NewIndex() *Index {
	return &Index{
		namespaces: map[string]Labels{}, nodes: map[string]*Node{}, gateways: map[netip.Addr][]*Node{},
		pods: map[string]map[string]*pod{}, statutes: map[string]map[string]*statute{}, locals: map[string][]*local{},
		here: map[netip.Addr][]*local{}, there: map[netip.Addr]*pod{}, contested: map[netip.Addr][]*pod{},
		astray: map[*pod]bool{}, faulty: map[*statute]bool{},
		committed: committed{
			standings: map[netip.Addr]standing{}, profiles: map[string]*counted[*profile]{},
			sets: map[string]*counted[*set]{}, catalog: catalog{},
		},
		changes: newChanges(),
	}
}

func newChanges() changes {
	return changes{
		owners: map[netip.Addr]owner{}, byGateway: map[netip.Addr][]*Node{}, rules: map[*local]bool{},
		moved: map[string]bool{},
	}
}

// owner returns the pod that has the address.
func (ix *Index) owner(ip netip.Addr) owner {
	switch here := ix.here[ip]; {
	case len(here) == 1 && here[0].pod != nil:
		return owner{&here[0].pod.Pod, ix.home(here[0].Namespace), true}
	case len(here) > 0 || ix.contested[ip] != nil:
		return owner{}
	}
	if p := ix.there[ip]; p != nil {
		return owner{&p.Pod, ix.home(p.Namespace), false}
	}
	return owner{}
}

func (ix *Index) home(namespace string) home {
	labels, known := ix.namespaces[namespace]
	return home{namespace, labels, known}
}

// touch notes who has the addresses, before something of that changes.
func (ix *Index) touch(addresses ...netip.Addr) {
	for _, ip := range addresses {
		if _, known := ix.owners[ip]; !known {
			ix.owners[ip] = ix.owner(ip)
		}
	}
}

// touchPod notes who has the addresses that are the pod's.
func (ix *Index) touchPod(p *pod) {
	ix.touch(p.claimed...)
	for _, l := range ix.locals[p.Namespace+"/"+p.Name] {
		ix.touch(l.Addrs...)
	}
}

// SetNamespace adds a namespace or replaces its labels.
func (ix *Index) SetNamespace(n Namespace) {
	if labels, known := ix.namespaces[n.Name]; known && labels == n.Labels {
		return
	}
	ix.touchNamespace(n.Name)
	ix.namespaces[n.Name] = n.Labels
}

// DeleteNamespace removes a namespace. Its pods and policies are removed by themselves.
func (ix *Index) DeleteNamespace(name string) {
	ix.touchNamespace(name)
	delete(ix.namespaces, name)
}

func (ix *Index) touchNamespace(name string) {
	for _, p := range ix.pods[name] {
		ix.touchPod(p)
	}
}

// SetPod adds a pod or replaces what is known of it.
func (ix *Index) SetPod(p Pod) {
	old := ix.pods[p.Namespace][p.Name]
	if old != nil && old.equal(p) {
		return
	}
	ix.removePod(old)
	added := &pod{Pod: interned(p)}
	if ix.pods[p.Namespace] == nil {
		ix.pods[added.Namespace] = map[string]*pod{}
	}
	ix.pods[added.Namespace][added.Name] = added
	for _, l := range ix.locals[added.Namespace+"/"+added.Name] {
		ix.know(l)
	}
	ix.claim(added)
}

// DeletePod removes a pod: it has completed, or is gone.
func (ix *Index) DeletePod(namespace, name string) {
	p := ix.pods[namespace][name]
	if p == nil {
		return
	}
	ix.removePod(p)
	delete(ix.pods[namespace], name)
	if len(ix.pods[namespace]) == 0 {
		delete(ix.pods, namespace)
	}
	for _, l := range ix.locals[namespace+"/"+name] {
		ix.know(l)
	}
}

func (ix *Index) removePod(p *pod) {
	if p != nil {
		ix.touchPod(p)
		ix.unclaim(p)
	}
}

func (p *pod) equal(q Pod) bool {
	return p.UID == q.UID && p.Node == q.Node && p.Labels == q.Labels && slices.Equal(p.Addrs, q.Addrs) &&
		slices.Equal(p.Ports, q.Ports)
}

// interned returns the pod with strings that many pods share.
func interned(p Pod) Pod {
	share := func(s string) string { return unique.Make(s).Value() }
	p.Namespace, p.Node = share(p.Namespace), share(p.Node)
	p.Addrs = distinct(p.Addrs)
	ports := make([]NamedPort, 0, len(p.Ports))
	for _, port := range p.Ports {
		ports = append(ports, NamedPort{share(port.Name), Protocol(share(string(port.Protocol))), port.Number})
	}
	p.Ports = ports
	return p
}

// Attach adds a pod that the gate attached, or replaces its addresses.
func (ix *Index) Attach(a Attached) {
	ix.Detach(a.Namespace, a.Name, a.UID)
	a.Addrs = distinct(a.Addrs)
	l := &local{Attached: a}
	name := a.Namespace + "/" + a.Name
	ix.touch(a.Addrs...)
	ix.locals[name] = append(ix.locals[name], l)
	for _, ip := range a.Addrs {
		ix.here[ip] = append(ix.here[ip], l)
	}
	ix.know(l)
	ix.claimAgain(a.Namespace, a.Name)
}

// distinct returns the addresses in their order, each once.
func distinct(addresses []netip.Addr) []netip.Addr {
	once := make([]netip.Addr, 0, len(addresses))
	for _, ip := range addresses {
		if !slices.Contains(once, ip) {
			once = append(once, ip)
		}
	}
	return once
}

// Detach removes an attached pod, by the same namespace, name and UID with which it was attached.
func (ix *Index) Detach(namespace, name, uid string) {
	key := namespace + "/" + name
	i := slices.IndexFunc(ix.locals[key], func(l *local) bool { return l.UID == uid })
	if i < 0 {
		return
	}
	l := ix.locals[key][i]
	ix.touch(l.Addrs...)
	for _, ip := range l.Addrs {
		ix.here[ip] = slices.DeleteFunc(ix.here[ip], func(other *local) bool { return other == l })
		if len(ix.here[ip]) == 0 {
			delete(ix.here, ip)
		}
	}
	delete(ix.rules, l)
	ix.locals[key] = slices.Delete(ix.locals[key], i, i+1)
	if len(ix.locals[key]) == 0 {
		delete(ix.locals, key)
	}
	ix.claimAgain(namespace, name)
}

// know finds the pod that is attached, and its policies.
func (ix *Index) know(l *local) {
	ix.touch(l.Addrs...)
	l.pod, l.selecting = nil, nil
	ix.rules[l] = true
	if p := ix.pods[l.Namespace][l.Name]; p != nil && (l.UID == "" || l.UID == p.UID) {
		l.pod = p
		for _, s := range ix.statutes[l.Namespace] {
			if s.selects(p.Namespace, p.Labels) {
				l.selecting = append(l.selecting, s)
			}
		}
		slices.SortFunc(l.selecting, compareStatutes)
	}
}

func compareStatutes(a, b *statute) int { return comparePolicies(a.Policy, b.Policy) }

// SetPolicy adds a policy or replaces it. Its slices may not be changed afterwards.
func (ix *Index) SetPolicy(p Policy) {
	s := newStatute(p)
	ix.DeletePolicy(p.Namespace, p.Name)
	if ix.statutes[p.Namespace] == nil {
		ix.statutes[p.Namespace] = map[string]*statute{}
	}
	ix.statutes[p.Namespace][p.Name] = s
	if len(s.problems) > 0 {
		ix.faulty[s] = true
	}
	ix.eachLocal(p.Namespace, func(l *local) {
		if s.selects(l.pod.Namespace, l.pod.Labels) {
			i, _ := slices.BinarySearchFunc(l.selecting, s, compareStatutes)
			l.selecting = slices.Insert(l.selecting, i, s)
			ix.rules[l] = true
		}
	})
}

// DeletePolicy removes a policy.
func (ix *Index) DeletePolicy(namespace, name string) {
	s := ix.statutes[namespace][name]
	if s == nil {
		return
	}
	delete(ix.faulty, s)
	delete(ix.statutes[namespace], name)
	if len(ix.statutes[namespace]) == 0 {
		delete(ix.statutes, namespace)
	}
	ix.eachLocal(namespace, func(l *local) {
		if i, found := slices.BinarySearchFunc(l.selecting, s, compareStatutes); found {
			l.selecting = slices.Delete(l.selecting, i, i+1)
			ix.rules[l] = true
		}
	})
}

// eachLocal calls f for the known attached pods of a namespace.
func (ix *Index) eachLocal(namespace string, f func(*local)) {
	for _, of := range ix.locals {
		for _, l := range of {
			if l.Namespace == namespace && l.pod != nil {
				f(l)
			}
		}
	}
}

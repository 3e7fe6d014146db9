package policy

import (
	"maps"
	"net/netip"
	"slices"

	"warren.mesh/mesh/nft"
)

// Compile returns the table that lets through what Judge lets through, and what of the input is not kept. It is the
// reference for Index, which arrives at the same step by step.
func Compile(in Input) (State, []Problem) {
	c := compiler{
		Input: in, profiles: map[string]*profile{}, sets: map[string]*set{}, used: map[*statute]bool{},
		statutes: map[string][]*statute{}, homes: map[string]home{}, state: State{Table: fixedLayout()},
	}
	for _, p := range in.Policies {
		s := newStatute(p)
		c.statutes[p.Namespace] = append(c.statutes[p.Namespace], s)
		c.problems = append(c.problems, s.problems...)
	}
	for _, of := range c.statutes {
		slices.SortFunc(of, func(a, b *statute) int { return comparePolicies(a.Policy, b.Policy) })
	}
	for _, n := range in.Namespaces {
		c.homes[n.Name] = home{n.Name, n.Labels, true}
	}
	c.findOwners()
	c.here()
	add(&c.state.Table, slices.Collect(maps.Values(c.sets)), slices.Collect(maps.Values(c.profiles)))
	nodes, pods := nodesByGateway(in.Nodes), byHome(c.owners)
	for _, s := range c.sets {
		c.elements(s, nodes, pods)
	}
	sortElements(c.state.Table.Elements)
	c.state.Policies = len(c.used)
	return c.state, sortProblems(c.problems)
}

type compiler struct {
	Input
	statutes map[string][]*statute
	homes    map[string]home
	// owners are the pods by their addresses, of this node and others.
	owners   map[netip.Addr]owner
	profiles map[string]*profile
	sets     map[string]*set
	used     map[*statute]bool
	state    State
	problems []Problem
}

// home returns the pod's namespace.
func (c *compiler) home(name string) home {
	if h, ok := c.homes[name]; ok {
		return h
	}
	return home{name: name}
}

// findOwners finds out which pod has which address, as court.end does for one.
func (c *compiler) findOwners() {
	pods := map[string]*Pod{}
	for i := range c.Pods {
		pods[c.Pods[i].Namespace+"/"+c.Pods[i].Name] = &c.Pods[i]
	}
	here, there := claims{}, claims{}
	attachedHere := map[*Pod]bool{}
	for _, a := range c.Attached {
		p := pods[a.Namespace+"/"+a.Name]
		if p == nil || a.UID != "" && a.UID != p.UID {
			p = nil
			c.problems = append(c.problems, waiting(a))
		}
		attachedHere[p] = p != nil
		for _, ip := range distinct(a.Addrs) {
			here[ip] = append(here[ip], claimant{a.Namespace, a.Name, p})
		}
	}
	cidrs := map[string][]netip.Prefix{}
	for _, n := range c.Nodes {
		cidrs[n.Name] = n.PodCIDRs
	}
	for _, p := range pods {
		if attachedHere[p] {
			continue
		}
		for _, ip := range distinct(p.Addrs) {
			if contain(cidrs[p.Node], ip) {
				there[ip] = append(there[ip], claimant{p.Namespace, p.Name, p})
			} else if cidrs[p.Node] != nil {
				c.problems = append(c.problems, outside(p, ip))
			}
		}
	}
	c.problems = append(c.problems, here.problems(nil)...)
	c.problems = append(c.problems, there.problems(here)...)
	c.owners = map[netip.Addr]owner{}
	for ip, of := range there {
		if len(of) == 1 && here[ip] == nil {
			c.owners[ip] = owner{of[0].pod, c.home(of[0].namespace), false}
		}
	}
	for ip, of := range here {
		if len(of) == 1 && of[0].pod != nil {
			c.owners[ip] = owner{of[0].pod, c.home(of[0].namespace), true}
		}
	}
}

// here adds the elements of this node's pods, and the profiles and sets that they need.
func (c *compiler) here() {
	seen := map[*Pod]bool{}
	for ip, o := range c.owners {
		if !o.attached {
			continue
		}
		var local standing
		var selecting []*statute
		for _, s := range c.statutes[o.Namespace] {
			if s.selects(o.Namespace, o.Labels) {
				selecting = append(selecting, s)
			}
		}
		local.known = true
		f := familyOf(ip)
		local.egress = c.use(egressDirection.profiles(selecting)[f])
		local.ingress = c.use(ingressDirection.profiles(selecting)[f])
		c.state.Table.Elements = append(c.state.Table.Elements, local.elements(ip)...)
		if !seen[o.Pod] {
			seen[o.Pod] = true
			c.count(selecting, local)
		}
	}
}

func (c *compiler) count(selecting []*statute, local standing) {
	c.state.Pods++
	if local.egress != nil || local.ingress != nil {
		c.state.Isolated++
	}
	for _, s := range selecting {
		if s.IsolatesEgress || s.IsolatesIngress {
			c.used[s] = true
		}
	}
}

// use returns the one profile of that name.
func (c *compiler) use(p *profile) *profile {
	if p == nil {
		return nil
	}
	if known := c.profiles[p.chain.Name]; known != nil {
		return known
	}
	c.profiles[p.chain.Name] = p
	for _, s := range p.sets {
		if c.sets[s.name] == nil {
			c.sets[s.name] = s
		}
	}
	return p
}

func (c *compiler) elements(s *set, nodes map[netip.Addr][]*Node, pods homes) {
	elements := &c.state.Table.Elements
	switch s.kind {
	case podSet, portSet:
		*elements = append(*elements, pods.of(s)...)
	case blockSet, numberSet:
		*elements = append(*elements, s.fixed()...)
		for ip, of := range nodes {
			*elements = append(*elements, s.ofGateway(ip, of)...)
		}
	case rangeSet:
		*elements = append(*elements, rangeElements(s, c.Nodes)...)
	case gatewaySet:
		for ip, of := range nodes {
			*elements = append(*elements, s.ofGateway(ip, of)...)
		}
	}
}

func nodesByGateway(nodes []Node) map[netip.Addr][]*Node {
	all := map[netip.Addr][]*Node{}
	for i := range nodes {
		for _, ip := range nodes[i].Gateways {
			all[ip] = append(all[ip], &nodes[i])
		}
	}
	return all
}

// rangeElements returns what is in one of podRanges.
func rangeElements(s *set, nodes []Node) (elements []nft.Element) {
	var all []netip.Prefix
	for _, n := range nodes {
		all = append(all, n.PodCIDRs...)
	}
	for _, p := range outermost(all) {
		if familyOf(p.Addr()) == s.family {
			elements = append(elements, s.element(prefixText(p)))
		}
	}
	return elements
}

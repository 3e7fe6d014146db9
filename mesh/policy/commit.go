package policy

import (
	"net/netip"
	"slices"

	"warren.mesh/mesh/nft"
)

// Edit is what changes of the table from one commit to the next.
type Edit struct {
	nft.Edit
	// Tightens says that something that was let through before might not be any more. Then the connections in the sets
	// Fresh have to be judged again: both are emptied in the edit's transaction, and once more after it, because a
	// packet that was judged by the old rules may come in between.
	Tightens bool
}

// Commit returns what has changed since the last commit, and counts it as done.
func (ix *Index) Commit() Edit {
	c := ix.commit()
	c.commitElements()
	sortElements(c.edit.Remove)
	sortElements(c.edit.Add)
	sortByName(c.edit.Sets, func(s nft.Set) string { return s.Name })
	sortByName(c.edit.Chains, func(ch nft.Chain) string { return ch.Name })
	slices.Sort(c.edit.DropChains)
	slices.Sort(c.edit.DropSets)
	ix.changes = newChanges()
	return c.edit
}

// commit commits all but the elements of the sets that the rules name.
func (ix *Index) commit() *committer {
	c := &committer{
		ix: ix, uses: map[string]int{}, sets: map[string]int{}, found: map[string]*set{},
		listed: map[string][2]*profile{}, written: map[string]*profile{}, fresh: map[string]*set{},
	}
	ix.move()
	c.readProfiles()
	c.commitStandings()
	c.commitProfiles()
	c.commitSets()
	return c
}

// committer makes one edit.
type committer struct {
	ix   *Index
	edit Edit
	// uses and sets are by how much the uses of profiles and sets change; found are the sets that are new.
	uses, sets map[string]int
	found      map[string]*set
	// listed are the profiles by their lists of policies, written those that are used, by name.
	listed  map[string][2]*profile
	written map[string]*profile
	// fresh are sets that this edit adds.
	fresh map[string]*set
}

// readProfiles writes the profiles of pods whose policies have changed. Pods of one workload share the work.
func (c *committer) readProfiles() {
	for l := range c.ix.rules {
		c.ix.touch(l.Addrs...)
		l.egress, l.ingress = c.profiles(egressDirection, l), c.profiles(ingressDirection, l)
	}
}

func (c *committer) profiles(d direction, l *local) [2]*profile {
	key := d.listed(l.selecting)
	if l.pod == nil || key == "" {
		return [2]*profile{}
	}
	both, known := c.listed[key]
	if !known {
		both = d.profiles(l.selecting)
		for f, p := range both {
			if known := c.ix.profiles[p.chain.Name]; known != nil {
				both[f] = known.of
			}
		}
		c.listed[key] = both
	}
	return both
}

// commitStandings brings the elements of this node's pods up to date.
func (c *committer) commitStandings() {
	for ip := range c.ix.owners {
		before, now := c.ix.standings[ip], standing{}
		if here := c.ix.here[ip]; len(here) == 1 && here[0].pod != nil {
			f := familyOf(ip)
			now = standing{true, here[0].egress[f], here[0].ingress[f]}
		}
		if before == now {
			continue
		}
		c.replace(before.elements(ip), now.elements(ip))
		if now.known {
			c.ix.standings[ip] = now
		} else {
			delete(c.ix.standings, ip)
		}
		c.change(before.egress, now.egress)
		c.change(before.ingress, now.ingress)
		c.edit.Tightens = c.edit.Tightens || before.known && !now.includes(before)
	}
}

// change counts the uses of two profiles of which one takes the other's place.
func (c *committer) change(before, now *profile) {
	if now != nil {
		c.uses[now.chain.Name]++
		c.written[now.chain.Name] = now
	}
	if before != nil {
		c.uses[before.chain.Name]--
	}
}

// commitProfiles adds the profiles that are used now and drops those that are not used any more.
func (c *committer) commitProfiles() {
	for name, n := range c.uses {
		known := c.ix.profiles[name]
		switch {
		case known == nil && n > 0:
			p := c.written[name]
			c.ix.profiles[name] = &counted[*profile]{p, n}
			c.edit.Chains = append(c.edit.Chains, p.chain)
			c.use(p, 1)
		case known == nil:
		case known.uses+n == 0:
			delete(c.ix.profiles, name)
			c.edit.DropChains = append(c.edit.DropChains, name)
			c.use(known.of, -1)
		default:
			known.uses += n
		}
	}
}

func (c *committer) use(p *profile, n int) {
	for _, s := range p.sets {
		c.sets[s.name] += n
		c.found[s.name] = s
	}
}

// commitSets adds the sets that are used now, without elements, and drops those that are not used any more.
func (c *committer) commitSets() {
	for name, n := range c.sets {
		known := c.ix.sets[name]
		switch {
		case known == nil && n > 0:
			s := c.found[name]
			c.ix.sets[name] = &counted[*set]{s, n}
			c.fresh[name] = s
			c.edit.Sets = append(c.edit.Sets, s.layout())
		case known == nil:
		case known.uses+n == 0:
			delete(c.ix.sets, name)
			c.ix.catalog.remove(known.of)
			c.edit.DropSets = append(c.edit.DropSets, name)
		default:
			known.uses += n
		}
	}
}

// commitElements brings the elements of the sets that stay up to date, and fills those that are new.
func (c *committer) commitElements() {
	before, now := byHome(c.ix.owners), c.now()
	c.update(slices.Collect(before.elements(c.ix.catalog)), slices.Collect(now.elements(c.ix.catalog)))
	c.commitRanges()
	if len(c.ix.byGateway) > 0 {
		for name, s := range c.ix.sets {
			if c.fresh[name] == nil && (s.of.kind == blockSet || s.of.kind == gatewaySet) {
				c.update(c.gateways(s.of))
			}
		}
	}
	c.edit.Add = append(c.edit.Add, c.ix.all(c.fresh)...)
	c.ix.list(c.fresh)
}

// update replaces elements of a set; removing one tightens, but for those of podGateways, which rules exclude.
func (c *committer) update(before, now []nft.Element) {
	removed, added := c.replace(before, now)
	excluded := slices.ContainsFunc(added, func(e nft.Element) bool {
		return e.Set == podGateways[0].name || e.Set == podGateways[1].name
	})
	c.edit.Tightens = c.edit.Tightens || len(removed) > 0 || excluded
}

// replace adds to the edit what is in one of the lists only.
func (c *committer) replace(before, now []nft.Element) (removed, added []nft.Element) {
	removed, added = difference(before, now), difference(now, before)
	c.edit.Remove = append(c.edit.Remove, removed...)
	c.edit.Add = append(c.edit.Add, added...)
	return removed, added
}

func (c *committer) commitRanges() {
	for f, s := range podRanges {
		switch before := c.ix.ranges[f]; {
		case c.ix.sets[s.name] == nil:
			c.ix.ranges[f] = nil
		case c.fresh[s.name] != nil:
			c.ix.ranges[f] = c.ix.allRanges(s)
		case len(c.ix.moved) > 0:
			c.ix.ranges[f] = c.ix.allRanges(s)
			c.update(before, c.ix.ranges[f])
		}
	}
}

// gateways returns the elements that a set had and has because of the gateways that changed.
func (c *committer) gateways(s *set) (before, now []nft.Element) {
	for ip, nodes := range c.ix.byGateway {
		before = append(before, s.ofGateway(ip, nodes)...)
		now = append(now, s.ofGateway(ip, c.ix.gateways[ip])...)
	}
	return before, now
}

// now returns the owners of the addresses that changed.
func (c *committer) now() homes {
	owners := make(map[netip.Addr]owner, len(c.ix.owners))
	for ip := range c.ix.owners {
		owners[ip] = c.ix.owner(ip)
	}
	return byHome(owners)
}

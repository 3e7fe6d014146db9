package policy

import (
	"fmt"
	"strings"

	"warren.mesh/mesh/nft"
)

// side is what a policy lets through in one direction, in nft's words.
type side struct {
	// rules are those of each family.
	rules [2][]nft.Rule
	// sets are those that each family's rules name, some of them twice.
	sets [2][]*set
}

// direction is that of ingress or egress: how rules say who the other end is.
type direction struct {
	prefix, tuple, verdict string
	ingress                bool
}

var (
	ingressDirection = direction{"i", "ct original", "goto refuse-ingress-", true}
	egressDirection  = direction{"e", "ct reply", "goto refuse-egress-", false}
)

func (d direction) rules(p Policy) []Rule {
	if d.ingress {
		return p.Ingress
	}
	return p.Egress
}

func (d direction) isolates(p Policy) bool {
	if d.ingress {
		return p.IsolatesIngress
	}
	return p.IsolatesEgress
}

// match is a condition of a rule in each family, empty where none of the family meets it.
type match struct {
	texts [2]string
	sets  [2][]*set
}

// side writes the policy's rules of one direction: each peer with each port.
func (d direction) side(p Policy) (s side) {
	for i, r := range d.rules(p) {
		reason := comment(fmt.Sprintf("%s/%s %d", p.Namespace, p.Name, i))
		for _, peer := range d.peers(r, p.Namespace) {
			for _, port := range d.ports(r, peer.group) {
				for f := range families {
					if peer.none[f] {
						continue
					}
					s.sets[f] = append(append(s.sets[f], peer.sets[f]...), port.sets[f]...)
					text := strings.TrimSpace(port.before + " " + peer.texts[f] + " " + port.texts[f])
					s.rules[f] = append(s.rules[f], nft.Rule{
						Text: strings.TrimSpace(strings.Join(strings.Fields(text), " ") + " return"), Reason: reason,
					})
				}
			}
		}
	}
	return s
}

// peerMatch is a match of the other end, and the group whose named ports count towards it.
type peerMatch struct {
	match
	none  [2]bool
	group group
}

func (d direction) peers(r Rule, namespace string) (all []peerMatch) {
	every := group{kind: everyPod}
	if r.AllPeers {
		return []peerMatch{{group: every}}
	}
	peers, blocks := r.blocks()
	for f := range families {
		if len(blocks[f]) > 0 {
			all = append(all, d.blocks(f, blocks[f]))
		}
	}
	for _, p := range peers {
		all = append(all, d.peer(p, namespace))
	}
	return all
}

// blocks matches addresses that one of the blocks has.
func (d direction) blocks(f int, blocks []Block) peerMatch {
	m := peerMatch{group: group{kind: everyPod}}
	m.none[1-f] = true
	of := newBlockSet(blocks...)
	m.sets[f], m.texts[f] = []*set{of}, d.tuple+" "+families[f].word+" saddr @"+of.name
	return m
}

func (d direction) peer(p Peer, namespace string) peerMatch {
	m := peerMatch{group: group{kind: everyPod}}
	if p.Block == nil && !p.everybody() {
		m.group = groupOf(p, namespace)
	}
	for f, family := range families {
		of := func(s *set, but string) string { return d.tuple + " " + family.word + " saddr " + but + "@" + s.name }
		switch {
		case p.Block != nil:
			return d.blocks(familyOf(p.Block.CIDR.Addr()), []Block{*p.Block})
		case p.everybody():
			m.sets[f] = []*set{podRanges[f], podGateways[f]}
			m.texts[f] = of(podRanges[f], "") + " " + of(podGateways[f], "!= ")
		default:
			m.sets[f] = []*set{newPodSet(f, m.group)}
			m.texts[f] = of(m.sets[f][0], "")
		}
	}
	return m
}

// profile is what applies to the addresses of one family of pods with the same list of policies, in one direction.
type profile struct {
	// chain is named after all that follows from the policies, in both families.
	chain nft.Chain
	// sets are those that the rules name, some of them twice.
	sets []*set
}

// profiles returns what the policies let through together, for each family; nil where none isolates in the direction.
func (d direction) profiles(policies []*statute) (both [2]*profile) {
	var names []string
	var content strings.Builder
	for f := range families {
		both[f] = &profile{}
	}
	for _, s := range policies {
		if !d.isolates(s.Policy) {
			continue
		}
		names = append(names, s.Namespace+"/"+s.Name)
		of := s.side(d)
		for f, p := range both {
			p.sets = append(p.sets, of.sets[f]...)
			p.chain.Rules = append(p.chain.Rules, of.rules[f]...)
			fmt.Fprintf(&content, "%q %q\n", s.Namespace+"/"+s.Name, of.rules[f])
		}
	}
	if names == nil {
		return [2]*profile{}
	}
	name := contentName(d.prefix, content.String())
	for f, p := range both {
		last := nft.Rule{Text: d.verdict + families[f].suffix, Reason: "nothing lets it through"}
		p.chain.Name, p.chain.Comment = inFamily(name, f), comment(strings.Join(names, ", "))
		p.chain.Rules = append(p.chain.Rules, last)
	}
	return both
}

// statute is a policy as it is kept, with its rules in nft's words once they are needed.
type statute struct {
	Policy
	problems []Problem
	sides    [2]*side
}

func newStatute(p Policy) *statute {
	kept, problems := keep(p)
	return &statute{Policy: kept, problems: problems}
}

func (s *statute) side(d direction) *side {
	i := 0
	if d.ingress {
		i = 1
	}
	if s.sides[i] == nil {
		written := d.side(s.Policy)
		s.sides[i] = &written
	}
	return s.sides[i]
}

// selects reports whether the policy is about the pod.
func (s *statute) selects(namespace string, labels Labels) bool {
	return s.Namespace == namespace && s.Pods.Matches(labels)
}

// listed returns a text that is equal for equal lists of policies that isolate in the direction; empty for none.
func (d direction) listed(policies []*statute) string {
	var b strings.Builder
	for _, s := range policies {
		if d.isolates(s.Policy) {
			fmt.Fprintf(&b, "%s %p ", d.prefix, s)
		}
	}
	return b.String()
}

// includes reports whether p lets through whatever the other one does: it has all its rules, or isolates nothing.
func (p *profile) includes(other *profile) bool {
	if p == nil || p == other {
		return true
	}
	if other == nil {
		return false
	}
	texts := map[string]bool{}
	for _, r := range p.chain.Rules {
		texts[r.Text] = true
	}
	for _, r := range other.chain.Rules {
		if !texts[r.Text] {
			return false
		}
	}
	return true
}

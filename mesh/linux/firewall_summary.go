package linux

import (
	"maps"
	"slices"

	"sigs.k8s.io/knftables"
)

// summary is what nft lists of a table, by kind: the names of its objects, sorted, and as "rule CHAIN" the comments of
// the chain's rules, in their order.
type summary map[string][]string

// rulesOf is the kind under which a chain's rules are.
func rulesOf(chain string) string { return "rule " + chain }

func summaryOf(objects map[string][]string, rules []*knftables.Rule) summary {
	s := summary{}
	for kind, names := range objects {
		if kind != "table" { // the table itself, which Fake leaves out
			s[kind] = slices.Sorted(slices.Values(names))
		}
	}
	for _, r := range rules {
		comment := ""
		if r.Comment != nil {
			comment = *r.Comment
		}
		s[rulesOf(r.Chain)] = append(s[rulesOf(r.Chain)], comment)
	}
	return s
}

// summary is what nft lists once the layout is written.
func (l layout) summary() summary {
	s := summary{"chain": {aboutChain}, rulesOf(aboutChain): {l.identity()}}
	for _, c := range l.counters {
		s["counter"] = append(s["counter"], c.name)
	}
	for _, set := range l.sets {
		s["set"] = append(s["set"], set.name)
	}
	for _, c := range l.chains {
		s["chain"] = append(s["chain"], c.name)
		for _, r := range c.rules {
			s[rulesOf(c.name)] = append(s[rulesOf(c.name)], r.comment())
		}
	}
	for _, kind := range []string{"chain", "counter", "set"} {
		slices.Sort(s[kind])
	}
	return s
}

// about reads the parameters; ok is false where the table has none that this version of warren understands.
func (s summary) about() (p parameters, ok bool) {
	rules := s[rulesOf(aboutChain)]
	if len(rules) != 1 {
		return parameters{}, false
	}
	return parseIdentity(rules[0])
}

func (s summary) equal(other summary) bool { return maps.EqualFunc(s, other, slices.Equal) }

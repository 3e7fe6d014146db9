package nft

import (
	"strings"
	"time"

	"sigs.k8s.io/knftables"
)

// write adds the layout to a transaction that has deleted the table.
func (l Layout) write(tx *knftables.Transaction) {
	tx.Add(&knftables.Table{Comment: &l.Comment})
	for _, c := range l.Counters {
		tx.Add(&knftables.Counter{Name: c.Name, Comment: &c.Comment})
	}
	for _, s := range l.Sets {
		tx.Add(s.object())
	}
	for _, m := range l.Maps {
		tx.Add(m.object())
	}
	tx.Add(&knftables.Chain{
		Name: identityChain, Comment: knftables.PtrTo("what the table was made from; no packet comes here"),
	})
	tx.Add(&knftables.Rule{Chain: identityChain, Rule: "return", Comment: knftables.PtrTo(l.Identity())})
	writeChains(tx, tx.Add, l.Chains)
	for _, e := range l.Elements {
		tx.Add(e.object())
	}
}

func (s Set) object() *knftables.Set {
	object := &knftables.Set{Name: s.Name, TypeOf: s.Typeof, Comment: &s.Comment}
	if s.Typeof == "" {
		object.Type, object.TypeOf = declaration(s.Type)
	}
	if s.Interval {
		object.Flags = append(object.Flags, knftables.IntervalFlag)
	}
	if s.Dynamic {
		object.Flags = append(object.Flags, knftables.DynamicFlag)
	}
	if s.Timeout != 0 {
		object.Flags = append(object.Flags, knftables.TimeoutFlag)
		object.Timeout = knftables.PtrTo(time.Duration(s.Timeout) * time.Second)
	}
	if s.Size != 0 {
		object.Size = &s.Size
	}
	return object
}

func (m Map) object() *knftables.Map {
	object := &knftables.Map{Name: m.Name, Comment: &m.Comment}
	object.Type, object.TypeOf = declaration(m.Type)
	if m.Interval {
		object.Flags = []knftables.SetFlag{knftables.IntervalFlag}
	}
	return object
}

// declaration returns the words by which nft is told the type of a set or a map: by a part of a packet, wherever one
// type is alone, because nft before 1.1.2 crashes at "type ipv4_addr" that a newer one has written. To the kernel both
// are the same. Concatenations crash none.
func declaration(kind string) (plain, typeof string) {
	key, value, isMap := strings.Cut(kind, " : ")
	typeof = dataTypes[key].typeof
	if typeof == "" {
		return kind, ""
	}
	if isMap {
		if of := dataTypes[value].typeof; of != "" {
			value = of
		}
		typeof += " : " + value
	}
	return "", typeof
}

// writeChains adds the chains without a hook first, because a rule may jump only to a chain that is there. The others
// are each followed by their rules, as an operator lists them.
func writeChains(tx *knftables.Transaction, add func(knftables.Object), chains []Chain) {
	for _, c := range chains {
		if c.Hook == "" {
			add(c.object())
		}
	}
	for _, c := range chains {
		if c.Hook != "" {
			add(c.object())
		}
		for _, r := range c.Rules {
			tx.Add(&knftables.Rule{Chain: c.Name, Rule: r.Text, Comment: knftables.PtrTo(r.Comment())})
		}
	}
}

func (c Chain) object() *knftables.Chain {
	object := &knftables.Chain{Name: c.Name, Comment: &c.Comment}
	if c.Hook != "" {
		object.Type = knftables.PtrTo(knftables.BaseChainType(c.Type))
		object.Hook = knftables.PtrTo(knftables.BaseChainHook(c.Hook))
		object.Priority = knftables.PtrTo(knftables.BaseChainPriority(c.Priority))
		object.Policy = knftables.PtrTo(knftables.AcceptPolicy)
	}
	return object
}

func (e Element) object() *knftables.Element {
	return &knftables.Element{Set: e.Set, Map: e.Map, Key: e.Key, Value: e.Value}
}

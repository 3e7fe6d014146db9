package nft

import "sigs.k8s.io/knftables"

// write adds the layout to a transaction that has deleted the table.
func (l Layout) write(tx *knftables.Transaction) {
	tx.Add(&knftables.Table{Comment: &l.Comment})
	for _, c := range l.Counters {
		tx.Add(&knftables.Counter{Name: c.Name, Comment: &c.Comment})
	}
	for _, s := range l.Sets {
		tx.Add(&knftables.Set{Name: s.Name, Type: s.Type, Comment: &s.Comment, Flags: flags(s.Interval)})
	}
	for _, m := range l.Maps {
		tx.Add(&knftables.Map{Name: m.Name, Type: m.Type, Comment: &m.Comment, Flags: flags(m.Interval)})
	}
	tx.Add(&knftables.Chain{
		Name: identityChain, Comment: knftables.PtrTo("what the table was made from; no packet comes here"),
	})
	tx.Add(&knftables.Rule{Chain: identityChain, Rule: "return", Comment: knftables.PtrTo(l.Identity())})
	l.writeChains(tx)
	for _, e := range l.Elements {
		tx.Add(e.object())
	}
}

func flags(interval bool) []knftables.SetFlag {
	if interval {
		return []knftables.SetFlag{knftables.IntervalFlag}
	}
	return nil
}

// writeChains adds the chains without a hook first, because a rule may jump only to a chain that is there. The others
// are each followed by their rules, as an operator lists them.
func (l Layout) writeChains(tx *knftables.Transaction) {
	for _, c := range l.Chains {
		if c.Hook == "" {
			tx.Add(c.object())
		}
	}
	for _, c := range l.Chains {
		if c.Hook != "" {
			tx.Add(c.object())
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

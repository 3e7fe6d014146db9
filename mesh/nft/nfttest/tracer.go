package nfttest

import (
	"cmp"
	"fmt"
	"slices"

	"sigs.k8s.io/knftables"

	"warren.mesh/mesh/nft"
)

// Tracer follows packets through one layout. It remembers what rules add to sets from one packet to the next.
type Tracer struct {
	host    Host
	learned map[string]map[string]bool
	// hooks are the base chains by hook, in the order in which packets pass them.
	hooks map[string][]*chain
}

type chain struct {
	nft.Chain
	priority int
	rules    []rule
}

type rule struct {
	nft.Rule
	steps []step
}

// NewTracer parses the layout's rules. It fails for whatever it does not know: a rule, a set that does not exist, a
// hook, a priority, an expression where the kernel cannot evaluate it.
func NewTracer(l nft.Layout, host Host) (*Tracer, error) {
	t := &Tracer{host: host, hooks: map[string][]*chain{}, learned: map[string]map[string]bool{}}
	p := parser{layout: l, chains: map[string]*chain{}}
	for _, c := range l.Chains {
		p.chains[c.Name] = &chain{Chain: c}
	}
	for _, c := range l.Chains {
		if err := p.chain(p.chains[c.Name]); err != nil {
			return nil, err
		}
		if c.Hook != "" {
			t.hooks[c.Hook] = append(t.hooks[c.Hook], p.chains[c.Name])
		}
	}
	for _, chains := range t.hooks {
		slices.SortStableFunc(chains, func(a, b *chain) int { return cmp.Compare(a.priority, b.priority) })
	}
	return t, nil
}

// natHooks are those in which translation is modelled.
var natHooks = []string{"prerouting", "output", "postrouting"}

// chain parses a chain's place and rules.
func (p *parser) chain(c *chain) (err error) {
	p.of = c
	if c.Hook != "" {
		if !slices.Contains([]string{"prerouting", "input", "forward", "output", "postrouting"}, c.Hook) {
			return fmt.Errorf("chain %s: unknown hook %q", c.Name, c.Hook)
		}
		if c.Type != "filter" && (c.Type != "nat" || !slices.Contains(natHooks, c.Hook)) {
			return fmt.Errorf("chain %s: unknown type %q in hook %s", c.Name, c.Type, c.Hook)
		}
		if c.priority, err = knftables.ParsePriority(knftables.Family(p.layout.Family), c.Priority); err != nil {
			return fmt.Errorf("chain %s: %w", c.Name, err)
		}
	}
	for i, r := range c.Rules {
		steps, err := p.rule(r.Text)
		if err != nil {
			return fmt.Errorf("chain %s, rule %d (%s): %w", c.Name, i, r.Text, err)
		}
		c.rules = append(c.rules, rule{Rule: r, steps: steps})
	}
	return nil
}

// The kernel's priorities of its own work (linux/netfilter_ipv4.h): putting fragments together, connection tracking,
// and the translation of destinations and of sources.
const (
	priorityDefrag    = -400
	priorityConntrack = -200
	priorityDNAT      = -100
	prioritySNAT      = 100
)

// Trace follows a packet from where it comes in, or from the host that sends it, to where it leaves or is dropped. A
// packet that comes in fragments has the interface of the last one once they are together, and is dropped with any of
// them.
func (t *Tracer) Trace(p Packet) Outcome {
	s := &state{Packet: p, host: t.host, learned: t.learned}
	s.meet()
	if p.FirstIn != "" && !t.fragment(s, p.FirstIn) {
		return s.outcome
	}
	hooks := []string{"prerouting", "input"}
	switch {
	case p.In == "":
		hooks = []string{"output", "postrouting"}
	case p.Out != "":
		hooks = []string{"prerouting", "forward", "postrouting"}
	}
	for _, hook := range hooks {
		if !t.hook(s, hook) {
			break
		}
	}
	s.outcome.Mark, s.outcome.ConnectionMark = s.Mark, s.Conntrack.Mark
	s.outcome.From, s.outcome.To = s.From, s.To
	return s.outcome
}

// Flush empties a set that rules fill.
func (t *Tracer) Flush(set string) { delete(t.learned, set) }

// fragment reports whether a fragment that comes in on an interface gets to where the packet is put together.
func (t *Tracer) fragment(s *state, in string) (passes bool) {
	last := s.In
	s.In = in
	defer func() { s.In = last }()
	for _, c := range t.hooks["prerouting"] {
		if c.priority < priorityDefrag && s.base(c) == drops {
			return false
		}
	}
	return true
}

// hook reports whether the packet passes.
func (t *Tracer) hook(s *state, hook string) (passes bool) {
	translated, settled := false, false
	for _, c := range t.hooks[hook] {
		if !translated && translationBefore(hook, c.priority) {
			translated = true
			s.translate(hook)
		}
		if c.Type == "nat" && (s.Conntrack.State != New || settled) {
			continue // it sees the first packet of a connection only, until a chain has translated that
		}
		switch s.base(c) {
		case drops:
			return false
		case masquerades, settles:
			settled = true
		default:
		}
	}
	if !translated {
		s.translate(hook)
	}
	return true
}

func translationBefore(hook string, priority int) bool {
	if hook == "postrouting" {
		return priority > prioritySNAT
	}
	return (hook == "prerouting" || hook == "output") && priority > priorityDNAT
}

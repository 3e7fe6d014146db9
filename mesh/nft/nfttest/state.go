package nfttest

import "net/netip"

// state is a packet on its way.
type state struct {
	Packet
	host Host
	// client and server are the ends of the connection: the source of its first packet, and of its answers.
	client, server netip.AddrPort
	// learned are the keys that rules have added to sets.
	learned map[string]map[string]bool
	outcome Outcome
}

// step evaluates one expression or statement of a rule.
type step func(*state) verdict

// verdict is what a step means for the packet. The zero value goes on with the rule's next step.
type verdict struct {
	kind verdictKind
	// chain is where a jump or goto leads.
	chain *chain
}

type verdictKind int

const (
	goOn verdictKind = iota
	noMatch
	accepts
	drops
	returns
	masquerades
	settles
	jumps
	goesTo
)

var verdictWords = map[verdictKind]string{
	accepts: "accept", drops: "drop", returns: "return", masquerades: "masquerade", settles: "dnat",
	jumps: "jump", goesTo: "goto",
}

func (v verdict) String() string {
	if v.chain != nil {
		return verdictWords[v.kind] + " " + v.chain.Name
	}
	return verdictWords[v.kind]
}

// base runs a base chain and returns what decided; goOn where none did.
func (s *state) base(c *chain) verdictKind {
	decided := s.run(c)
	switch decided {
	case drops:
		dropped := s.outcome.Steps[len(s.outcome.Steps)-1]
		s.outcome.Dropped = &dropped
	case goOn:
		s.outcome.Steps = append(s.outcome.Steps, Step{Chain: c.Name, Verdict: "end"})
	default:
	}
	return decided
}

// run evaluates a chain's rules and returns what decided; goOn where none did.
func (s *state) run(c *chain) verdictKind {
	for _, r := range c.rules {
		v := s.evaluate(r)
		if v.kind == goOn || v.kind == noMatch {
			continue
		}
		s.outcome.Steps = append(s.outcome.Steps, Step{Chain: c.Name, Verdict: v.String(), Reason: r.Reason})
		switch v.kind {
		case jumps:
			if inner := s.run(v.chain); inner != goOn && inner != returns {
				return inner
			}
		case goesTo:
			return s.run(v.chain)
		default:
			return v.kind
		}
	}
	return goOn
}

// meet finds out the ends of the packet's connection.
func (s *state) meet() {
	s.client, s.server = s.From, s.To
	switch {
	case s.Conntrack.Reply:
		s.client, s.server = s.To, s.From
	case s.Conntrack.Destination.IsValid():
		s.server = s.Conntrack.Destination
	}
}

func (s *state) evaluate(r rule) verdict {
	for _, step := range r.steps {
		if v := step(s); v.kind != goOn {
			return v
		}
	}
	return verdict{}
}

// translate gives the packet the addresses of its connection, in the hooks where the kernel does.
func (s *state) translate(hook string) {
	if !s.Conntrack.connection() {
		return
	}
	switch {
	case (hook == "prerouting" || hook == "output") && !s.Conntrack.Reply && s.Conntrack.Destination.IsValid():
		s.To = s.Conntrack.Destination
	case hook == "postrouting" && s.outcome.Masqueraded:
		port := s.From.Port()
		if s.outcome.Ports != "" || s.outcome.Random {
			port = 0
		}
		s.From = netip.AddrPortFrom(s.host.masquerade(s.Out, s.From.Addr()), port)
	case hook == "postrouting" && s.Conntrack.Source.IsValid():
		s.From = s.Conntrack.Source
	}
}

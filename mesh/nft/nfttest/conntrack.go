package nfttest

import (
	"errors"
	"fmt"
	"slices"
)

// ct parses what follows ct. Packets without a connection match none of it but their state, and change no mark.
func (p *parser) ct() (step, error) {
	if hook := p.of.Hook; (hook == "prerouting" || hook == "output") && p.of.priority <= priorityConntrack {
		return nil, errors.New("the chain comes before connection tracking")
	}
	switch field := p.next(); field {
	case "id", "original", "reply":
		p.words = append([]string{field}, p.words...)
		parts, err := p.parts("ct")
		if err != nil {
			return nil, err
		}
		return p.lookup(parts)
	case "state":
		return p.ctState()
	case "status":
		return p.ctStatus()
	case "direction":
		return p.ctDirection()
	case "mark":
		return p.mark("ct", func(s *state) *uint32 { return &s.Conntrack.Mark })
	default:
		return nil, fmt.Errorf("unknown field %q", field)
	}
}

func (p *parser) ctState() (step, error) {
	var states []State
	for {
		word := p.next()
		one := State(word)
		switch {
		case word == "new":
			one = New
		case !slices.Contains([]State{Established, Related, Invalid, Untracked}, one):
			return nil, fmt.Errorf("unknown state %q", word)
		}
		states = append(states, one)
		if !p.skip(",") {
			return when(func(s *state) bool { return slices.Contains(states, s.Conntrack.State) }), nil
		}
	}
}

// ctStatus parses "dnat", which is set, and "and dnat == 0", which is not.
func (p *parser) ctStatus() (step, error) {
	if p.skip("dnat") {
		return connected(func(s *state) bool { return s.Conntrack.dnat() }), nil
	}
	err := p.expect("and", "dnat", "==", "0")
	return connected(func(s *state) bool { return !s.Conntrack.dnat() }), err
}

func (p *parser) ctDirection() (step, error) {
	word := p.next()
	if word != "original" && word != "reply" {
		return nil, fmt.Errorf("unknown direction %q", word)
	}
	return connected(func(s *state) bool { return s.Conntrack.Reply == (word == "reply") }), nil
}

// connected matches packets that have a connection.
func connected(matches func(*state) bool) step {
	return when(func(s *state) bool { return s.Conntrack.connection() && matches(s) })
}

// meta parses what follows meta.
func (p *parser) meta() (step, error) {
	if len(p.words) > 0 && p.words[0] == "l4proto" {
		parts, err := p.parts("meta")
		if err != nil {
			return nil, err
		}
		return p.lookup(parts)
	}
	if err := p.expect("mark"); err != nil {
		return nil, err
	}
	return p.mark("meta", func(s *state) *uint32 { return &s.Mark })
}

// mark parses "and MASK != VALUE", "and MASK == VALUE" and "set KEY mark or VALUE", where KEY is the mark's own.
func (p *parser) mark(key string, of func(*state) *uint32) (step, error) {
	belongs := func(s *state) bool { return key != "ct" || s.Conntrack.connection() }
	if p.skip("set") {
		if err := p.expect(key, "mark", "or"); err != nil {
			return nil, err
		}
		value, err := p.number(32)
		return func(s *state) verdict {
			if belongs(s) {
				*of(s) |= value
			}
			return verdict{}
		}, err
	}
	if err := p.expect("and"); err != nil {
		return nil, err
	}
	mask, errMask := p.number(32)
	operator := p.next()
	value, errValue := p.number(32)
	if operator != "==" && operator != "!=" {
		return nil, fmt.Errorf("unknown operator %q", operator)
	}
	return when(func(s *state) bool {
		return belongs(s) && (*of(s)&mask == value) == (operator == "==")
	}), errors.Join(errMask, errValue)
}

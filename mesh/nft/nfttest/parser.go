package nfttest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"warren.mesh/mesh/nft"
)

// parser reads rules' texts.
type parser struct {
	layout nft.Layout
	chains map[string]*chain
	// of is the chain of the rule at hand, and words what is left of its text.
	of    *chain
	words []string
}

// statements parse what begins with a word. The word itself is read already.
var statements map[string]func(*parser) (step, error)

func init() {
	statements = map[string]func(*parser) (step, error){
		"iifname": func(p *parser) (step, error) {
			return p.iface(func(s *state) string { return s.In }, "prerouting", "input", "forward")
		},
		"oifname": func(p *parser) (step, error) {
			return p.iface(func(s *state) string { return s.Out }, "forward", "output", "postrouting")
		},
		"ip":   func(p *parser) (step, error) { return p.address(true) },
		"ip6":  func(p *parser) (step, error) { return p.address(false) },
		"udp":  func(p *parser) (step, error) { return p.port("udp") },
		"tcp":  func(p *parser) (step, error) { return p.port("tcp") },
		"icmp": func(p *parser) (step, error) { return p.icmpType("icmp", "redirect") },
		"icmpv6": func(p *parser) (step, error) {
			return p.icmpType("ipv6-icmp", "nd-router-solicit", "nd-neighbor-solicit", "nd-neighbor-advert",
				"nd-redirect")
		},
		"update":     (*parser).update,
		"fib":        (*parser).fib,
		"ct":         (*parser).ct,
		"meta":       (*parser).meta,
		"counter":    (*parser).counter,
		"masquerade": (*parser).masquerade,
		"dnat":       (*parser).dnat,
		"accept":     func(*parser) (step, error) { return always(verdict{kind: accepts}), nil },
		"drop":       func(*parser) (step, error) { return always(verdict{kind: drops}), nil },
		"return":     func(*parser) (step, error) { return always(verdict{kind: returns}), nil },
		"jump":       func(p *parser) (step, error) { return p.jump(jumps) },
		"goto":       func(p *parser) (step, error) { return p.jump(goesTo) },
	}
}

func always(v verdict) step { return func(*state) verdict { return v } }

// when goes on where matches reports true.
func when(matches func(*state) bool) step {
	return func(s *state) verdict {
		if matches(s) {
			return verdict{}
		}
		return verdict{kind: noMatch}
	}
}

// terminal are the words after which nothing may follow.
var terminal = []string{"accept", "drop", "return", "jump", "goto", "masquerade", "dnat"}

// rule parses a rule's text.
func (p *parser) rule(text string) (steps []step, err error) {
	if p.words, err = split(text); err != nil {
		return nil, err
	}
	for len(p.words) > 0 {
		word := p.next()
		parse, ok := statements[word]
		if !ok {
			return nil, fmt.Errorf("unknown expression %q", word)
		}
		s, err := parse(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", word, err)
		}
		steps = append(steps, s)
		if len(p.words) > 0 && slices.Contains(terminal, word) {
			return nil, fmt.Errorf("%q comes after %s", p.words[0], word)
		}
	}
	if len(steps) == 0 {
		return nil, errors.New("the rule is empty")
	}
	return steps, nil
}

// split returns the text's words. Braces and commas are words of their own; a name in quotes keeps them.
func split(text string) (words []string, err error) {
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimLeft(rest, " ") {
		n := strings.IndexAny(rest, " ,")
		switch {
		case rest[0] == '"':
			n = strings.Index(rest[1:], `"`) + 2
			if n == 1 {
				return nil, fmt.Errorf("a quote is open: %s", rest)
			}
		case rest[0] == ',':
			n = 1
		case n < 0:
			n = len(rest)
		}
		words, rest = append(words, rest[:n]), rest[n:]
	}
	return words, nil
}

// next returns the next word; empty at the end.
func (p *parser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

// skip reads the word if it is next.
func (p *parser) skip(word string) bool {
	if len(p.words) > 0 && p.words[0] == word {
		p.words = p.words[1:]
		return true
	}
	return false
}

// expect reads words that must be next.
func (p *parser) expect(words ...string) error {
	for _, word := range words {
		if got := p.next(); got != word {
			return fmt.Errorf("%q where %q is known only", got, word)
		}
	}
	return nil
}

// name reads a quoted name.
func (p *parser) name() (string, error) {
	word := p.next()
	name, err := strconv.Unquote(word)
	if err != nil || name == "" {
		return "", fmt.Errorf("%q is no quoted name", word)
	}
	return name, nil
}

// values reads a value, or several in braces.
func (p *parser) values(read func() error) error {
	if !p.skip("{") {
		return read()
	}
	for {
		if err := read(); err != nil {
			return err
		}
		if p.skip("}") {
			return nil
		}
		if err := p.expect(","); err != nil {
			return err
		}
	}
}

// number reads a number of at most so many bits.
func (p *parser) number(bits int) (uint32, error) {
	n, err := strconv.ParseUint(p.next(), 0, bits)
	return uint32(n), err
}

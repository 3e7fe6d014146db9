package nfttest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"warren.mesh/mesh/nft"
)

// counter parses the name of one of the layout's counters, and counts.
func (p *parser) counter() (step, error) {
	if err := p.expect("name"); err != nil {
		return nil, err
	}
	name, err := p.name()
	if err == nil && !slices.ContainsFunc(p.layout.Counters, func(c nft.Counter) bool { return c.Name == name }) {
		err = fmt.Errorf("no counter %q", name)
	}
	return func(s *state) verdict {
		s.outcome.Counters = append(s.outcome.Counters, name)
		return verdict{}
	}, err
}

var portRange = regexp.MustCompile(`^:\d{1,5}-\d{1,5}$`)

// masquerade parses an optional range of ports, and an optional "fully-random".
func (p *parser) masquerade() (step, error) {
	if p.of.Type != "nat" {
		return nil, errors.New("only chains of type nat translate")
	}
	ports := ""
	if p.skip("to") {
		word := p.next()
		if !portRange.MatchString(word) {
			return nil, fmt.Errorf("%q is no range of ports", word)
		}
		ports = strings.TrimPrefix(word, ":")
	}
	random := p.skip("fully-random")
	return func(s *state) verdict {
		s.outcome.Masqueraded, s.outcome.Ports, s.outcome.Random = true, ports, random
		return verdict{kind: masquerades}
	}, nil
}

// jump parses the name of one of the layout's chains that have no hook.
func (p *parser) jump(kind verdictKind) (step, error) {
	name := p.next()
	to, ok := p.chains[name]
	if !ok || to.Hook != "" {
		return nil, fmt.Errorf("no chain %q to go to", name)
	}
	return always(verdict{kind: kind, chain: to}), nil
}

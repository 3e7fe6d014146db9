package nfttest

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
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
	if p.of.Type != "nat" || p.of.Hook != "postrouting" {
		return nil, errors.New("only chains of type nat in postrouting translate sources")
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

// dnat parses "to :FIRST-LAST" or "to :PORT". It settles the connection's destination: no address is given, so that
// stays, a port in the range stays too, and no later rule translates it. Another port is not modelled.
func (p *parser) dnat() (step, error) {
	if p.of.Type != "nat" || p.of.Hook != "prerouting" && p.of.Hook != "output" {
		return nil, errors.New("only chains of type nat in prerouting and output translate destinations")
	}
	if err := p.expect("to"); err != nil {
		return nil, err
	}
	first, last, err := parsePorts(p.next())
	return func(s *state) verdict {
		if port := s.To.Port(); port < first || port > last {
			panic(fmt.Sprintf("dnat of port %d to %d-%d is not modelled", port, first, last))
		}
		s.Conntrack.Destination = netip.AddrPort{}
		return verdict{kind: settles}
	}, err
}

// parsePorts parses ":FIRST-LAST" and ":PORT".
func parsePorts(text string) (first, last uint16, err error) {
	word, ok := strings.CutPrefix(text, ":")
	if !ok {
		return 0, 0, fmt.Errorf("%q is no range of ports", text)
	}
	low, high, ok := strings.Cut(word, "-")
	if !ok {
		high = low
	}
	from, errFrom := strconv.ParseUint(low, 10, 16)
	to, errTo := strconv.ParseUint(high, 10, 16)
	return uint16(from), uint16(to), errors.Join(errFrom, errTo)
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

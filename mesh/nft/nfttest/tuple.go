package nfttest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"warren.mesh/mesh/nft"
)

// part is one part of a key that rules look up in sets and maps: what it is called in rules, its type, and how it is
// read; ok is false for packets that have no such part.
type part struct {
	text, kind string
	read       func(*state) (value string, ok bool)
}

// parts parses "ct original ip saddr . meta l4proto", whose first word is read already.
func (p *parser) parts(first string) (all []part, err error) {
	for word := first; ; word = p.next() {
		var one part
		switch word {
		case "ct":
			one, err = p.tuplePart()
		case "meta":
			one = part{"meta l4proto", "inet_proto", func(s *state) (string, bool) { return s.Protocol, true }}
			err = p.expect("l4proto")
		default:
			err = fmt.Errorf("unknown part %q of a key", word)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
		if !p.skip(".") {
			return all, nil
		}
	}
}

// tuplePart parses "original ip saddr", "reply ip6 saddr", "reply proto-src" and "id".
func (p *parser) tuplePart() (part, error) {
	direction := p.next()
	if direction == "id" {
		return part{"ct id", "", func(s *state) (string, bool) {
			return strconv.Itoa(s.Conntrack.ID), s.Conntrack.connection()
		}}, nil
	}
	end := func(s *state) netip.AddrPort { return s.client }
	switch direction {
	case "original":
	case "reply":
		end = func(s *state) netip.AddrPort { return s.server }
	default:
		return part{}, fmt.Errorf("unknown field %q", direction)
	}
	switch word := p.next(); word {
	case "proto-src":
		return part{"ct " + direction + " proto-src", "inet_service", func(s *state) (string, bool) {
			return strconv.Itoa(int(end(s).Port())), s.Conntrack.connection()
		}}, nil
	case "ip", "ip6":
		kind := map[string]string{"ip": "ipv4_addr", "ip6": "ipv6_addr"}[word]
		return part{"ct " + direction + " " + word + " saddr", kind, func(s *state) (string, bool) {
			ip := end(s).Addr()
			return ip.String(), s.Conntrack.connection() && ip.Is4() == (word == "ip")
		}}, p.expect("saddr")
	default:
		return part{}, fmt.Errorf("unknown field %q", word)
	}
}

// key reads all parts; ok is false where the packet lacks one, and no rule with it matches.
func (s *state) key(parts []part) (key []string, ok bool) {
	for _, p := range parts {
		value, ok := p.read(s)
		if !ok {
			return nil, false
		}
		key = append(key, value)
	}
	return key, true
}

// lookup parses what follows a key: "@set", "!= @set", "vmap @map", a value or a range of numbers.
func (p *parser) lookup(parts []part) (step, error) {
	negated := p.skip("!=")
	if p.skip("vmap") {
		return p.verdictMap(parts)
	}
	var has func(*state, []string) bool
	var err error
	word := p.next()
	switch name, isSet := strings.CutPrefix(word, "@"); {
	case isSet:
		has, err = p.members(name, parts)
	case len(parts) == 1 && parts[0].kind == "inet_service":
		has, err = numbers(word)
	case len(parts) == 1 && parts[0].kind == "inet_proto" && slices.Contains(protocols, word):
		has = func(_ *state, key []string) bool { return key[0] == word }
	default:
		err = fmt.Errorf("%q is nothing to compare with", word)
	}
	return when(func(s *state) bool {
		key, ok := s.key(parts)
		return ok && has(s, key) != negated
	}), err
}

var protocols = []string{"tcp", "udp", "sctp", "icmp", "ipv6-icmp"}

func numbers(text string) (func(*state, []string) bool, error) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	from, errFrom := strconv.ParseUint(low, 10, 16)
	to, errTo := strconv.ParseUint(high, 10, 16)
	return func(_ *state, key []string) bool {
		n, err := strconv.ParseUint(key[0], 10, 16)
		return err == nil && from <= n && n <= to
	}, errors.Join(errFrom, errTo)
}

// members returns whether a set of the layout has a key, or a rule has added it.
func (p *parser) members(name string, parts []part) (func(*state, []string) bool, error) {
	set, err := p.setFor(name, parts)
	if err != nil {
		return nil, err
	}
	if set.Dynamic {
		return func(s *state, key []string) bool { return s.learned[name][strings.Join(key, " ")] }, nil
	}
	var intervals []func(*state, []string) bool
	keys := map[string]bool{}
	for _, e := range p.layout.Elements {
		switch {
		case e.Set != name:
		case set.Interval:
			in, err := interval(parts[0].kind, strings.Join(e.Key, " "))
			if err != nil {
				return nil, fmt.Errorf("set %s: %w", name, err)
			}
			intervals = append(intervals, in)
		default:
			keys[strings.Join(e.Key, " ")] = true
		}
	}
	return func(s *state, key []string) bool {
		in := func(has func(*state, []string) bool) bool { return has(s, key) }
		return keys[strings.Join(key, " ")] || slices.ContainsFunc(intervals, in)
	}, nil
}

// interval returns whether an element of a set of intervals has a key: ports, a prefix, or addresses from first to
// last.
func interval(kind, text string) (func(*state, []string) bool, error) {
	if kind == "inet_service" {
		return numbers(text)
	}
	if first, last, isRange := strings.Cut(text, "-"); isRange {
		from, errFrom := netip.ParseAddr(first)
		to, errTo := netip.ParseAddr(last)
		return func(_ *state, key []string) bool {
			ip, err := netip.ParseAddr(key[0])
			return err == nil && ip.BitLen() == from.BitLen() && from.Compare(ip) <= 0 && ip.Compare(to) <= 0
		}, errors.Join(errFrom, errTo)
	}
	prefix, err := parsePrefix(text)
	return func(_ *state, key []string) bool {
		ip, err := netip.ParseAddr(key[0])
		return err == nil && prefix.Contains(ip)
	}, err
}

// setFor returns a set that keys of these parts are of.
func (p *parser) setFor(name string, parts []part) (nft.Set, error) {
	var kinds, texts []string
	for _, of := range parts {
		kinds, texts = append(kinds, of.kind), append(texts, of.text)
	}
	for _, s := range p.layout.Sets {
		switch {
		case s.Name != name:
		case s.Typeof != "" && s.Typeof == strings.Join(texts, " . "),
			s.Type != "" && s.Type == strings.Join(kinds, " . "):
			return s, nil
		default:
			return nft.Set{}, fmt.Errorf("set %s is of type %s%s, not %v", name, s.Type, s.Typeof, texts)
		}
	}
	return nft.Set{}, fmt.Errorf("no set %s", name)
}

// verdictMap parses "@map": the key's element is the verdict; without one the rule does not match.
func (p *parser) verdictMap(parts []part) (step, error) {
	name, ok := strings.CutPrefix(p.next(), "@")
	i := slices.IndexFunc(p.layout.Maps, func(m nft.Map) bool { return m.Name == name })
	if !ok || i < 0 || len(parts) != 1 || p.layout.Maps[i].Type != parts[0].kind+" : verdict" {
		return nil, fmt.Errorf("no map %q from %v to verdicts", name, parts[0].text)
	}
	verdicts := map[string]verdict{}
	for _, e := range p.layout.Elements {
		if e.Map != name {
			continue
		}
		chain, isJump := strings.CutPrefix(strings.Join(e.Value, " "), "jump ")
		to := p.chains[chain]
		if !isJump || to == nil || to.Hook != "" {
			return nil, fmt.Errorf("map %s: %v leads nowhere", name, e)
		}
		verdicts[strings.Join(e.Key, " ")] = verdict{kind: jumps, chain: to}
	}
	return func(s *state) verdict {
		key, ok := s.key(parts)
		if v, known := verdicts[strings.Join(key, " ")]; ok && known {
			return v
		}
		return verdict{kind: noMatch}
	}, nil
}

// update parses "@set { key }" and "@set { key counter }": the packet's key is in the set from then on.
func (p *parser) update() (step, error) {
	name, _ := strings.CutPrefix(p.next(), "@")
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	parts, err := p.parts(p.next())
	if err != nil {
		return nil, err
	}
	p.skip("counter")
	set, err := p.setFor(name, parts)
	if err == nil && !set.Dynamic {
		err = fmt.Errorf("set %s is not dynamic", name)
	}
	return func(s *state) verdict {
		key, ok := s.key(parts)
		if !ok {
			return verdict{kind: noMatch}
		}
		if s.learned[name] == nil {
			s.learned[name] = map[string]bool{}
		}
		s.learned[name][strings.Join(key, " ")] = true
		return verdict{}
	}, errors.Join(err, p.expect("}"))
}

// icmpType parses "type WORD", and matches packets of that protocol with that type.
func (p *parser) icmpType(protocol string, known ...string) (step, error) {
	err := p.expect("type")
	word := p.next()
	if err == nil && !slices.Contains(known, word) {
		err = fmt.Errorf("unknown type %q", word)
	}
	return when(func(s *state) bool { return s.Protocol == protocol && s.ICMPType == word }), err
}

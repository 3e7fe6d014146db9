package nfttest

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// iface parses the names after iifname or oifname. In other hooks the kernel knows no such interface.
func (p *parser) iface(read func(*state) string, hooks ...string) (step, error) {
	if p.of.Hook != "" && !slices.Contains(hooks, p.of.Hook) {
		return nil, fmt.Errorf("no such interface in %s", p.of.Hook)
	}
	negated := p.skip("!=")
	var names []string
	err := p.values(func() error {
		name, err := p.name()
		names = append(names, name)
		return err
	})
	return when(func(s *state) bool { return slices.Contains(names, read(s)) != negated }), err
}

// address parses what follows ip or ip6, and matches packets of that family only.
func (p *parser) address(v4 bool) (step, error) {
	read := func(s *state) netip.Addr { return s.From.Addr() }
	switch field := p.next(); {
	case field == "saddr":
	case field == "daddr":
		read = func(s *state) netip.Addr { return s.To.Addr() }
	case field == "hoplimit" && !v4:
		return p.hopLimit()
	default:
		return nil, fmt.Errorf("unknown field %q", field)
	}
	negated := p.skip("!=")
	var prefixes []netip.Prefix
	err := p.values(func() error {
		of, err := p.prefixes(v4)
		prefixes = append(prefixes, of...)
		return err
	})
	return when(func(s *state) bool {
		ip := read(s)
		in := slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(ip) })
		return ip.Is4() == v4 && in != negated
	}), err
}

// hopLimit parses the value after hoplimit.
func (p *parser) hopLimit() (step, error) {
	n, err := p.number(8)
	return when(func(s *state) bool { return s.From.Addr().Is6() && uint32(cmp.Or(s.HopLimit, 64)) == n }), err
}

// prefixes reads an address, a prefix or a set's name, of one family.
func (p *parser) prefixes(v4 bool) ([]netip.Prefix, error) {
	word := p.next()
	if name, ok := strings.CutPrefix(word, "@"); ok {
		return p.set(name, v4)
	}
	prefix, err := parsePrefix(word)
	if err == nil && prefix.Addr().Is4() != v4 {
		err = fmt.Errorf("%s is of the other family", word)
	}
	return []netip.Prefix{prefix}, err
}

// set returns the elements of a set of addresses.
func (p *parser) set(name string, v4 bool) (prefixes []netip.Prefix, err error) {
	want := map[bool]string{true: "ipv4_addr", false: "ipv6_addr"}[v4]
	known := false
	for _, s := range p.layout.Sets {
		if s.Name == name {
			known = true
			if s.Type != want {
				return nil, fmt.Errorf("set %s is of type %s, not %s", name, s.Type, want)
			}
		}
	}
	if !known {
		return nil, fmt.Errorf("no set %s", name)
	}
	for _, e := range p.layout.Elements {
		if e.Set != name {
			continue
		}
		prefix, err := parsePrefix(strings.Join(e.Key, " . "))
		if err != nil {
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	ip, err := netip.ParseAddr(text)
	return netip.PrefixFrom(ip, ip.BitLen()), err
}

// port parses what follows udp or tcp, and matches packets of that protocol only.
func (p *parser) port(protocol string) (step, error) {
	if p.of.Hook != "" && p.of.priority < priorityDefrag {
		return nil, errors.New("the chain comes before fragments are put together: only the first one has ports")
	}
	read := func(s *state) uint16 { return s.From.Port() }
	switch field := p.next(); field {
	case "sport":
	case "dport":
		read = func(s *state) uint16 { return s.To.Port() }
	default:
		return nil, fmt.Errorf("unknown field %q", field)
	}
	negated := p.skip("!=")
	var ports []uint16
	err := p.values(func() error {
		port, err := p.number(16)
		ports = append(ports, uint16(port))
		return err
	})
	return when(func(s *state) bool {
		return s.Protocol == protocol && slices.Contains(ports, read(s)) != negated
	}), err
}

// fib parses "saddr type local" and "daddr type local".
func (p *parser) fib() (step, error) {
	read := func(s *state) netip.Addr { return s.From.Addr() }
	if p.skip("daddr") {
		read = func(s *state) netip.Addr { return s.To.Addr() }
	} else if err := p.expect("saddr"); err != nil {
		return nil, err
	}
	err := p.expect("type", "local")
	return when(func(s *state) bool { return s.host.local(read(s)) }), err
}

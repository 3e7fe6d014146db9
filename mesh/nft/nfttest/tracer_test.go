package nfttest

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/nft"
)

// layoutOf has one chain with these rules, in postrouting.
func layoutOf(rules ...string) nft.Layout {
	c := nft.Chain{Name: "out", Type: "nat", Hook: "postrouting", Priority: "srcnat"}
	for _, text := range rules {
		c.Rules = append(c.Rules, nft.Rule{Text: text, Reason: text})
	}
	return nft.Layout{
		ID:       nft.ID{Family: "inet", Name: "warren"},
		Counters: []nft.Counter{{Name: "all"}},
		Sets:     []nft.Set{{Name: "four", Type: "ipv4_addr"}, {Name: "six", Type: "ipv6_addr", Interval: true}},
		Chains: []nft.Chain{
			c, {Name: "inner", Rules: []nft.Rule{{Text: "ip daddr 192.0.2.9 drop"}, {Text: "return"}}},
		},
		Elements: []nft.Element{
			{Set: "four", Key: []string{"192.0.2.1"}}, {Set: "six", Key: []string{"2001:db8::/32"}},
		},
	}
}

func packet(from, to string) Packet {
	return Packet{Out: "eth0", Protocol: "udp", From: netip.MustParseAddrPort(from), To: netip.MustParseAddrPort(to)}
}

// What is unknown, or what the kernel could not evaluate, is an error and never ignored.
func TestRefusals(t *testing.T) {
	for _, text := range []string{
		"", "unknown", "accept accept", "drop counter", `oifname eth0 accept`, `oifname "eth0`,
		`oifname { "a" "b" } accept`, `oifname { "a", } accept`, `iifname "eth0" accept`,
		"ip saddr accept", "ip saddr @none accept", "ip saddr @six accept",
		"ip6 saddr @four accept", "ip saddr ::1 accept", "ip protocol udp accept", "ip saddr > 192.0.2.1 accept",
		"ip hoplimit 255 accept", "ip6 hoplimit 256 accept",
		"udp sport 70000 accept", "udp sport 1-9 accept", "udp length 9 accept",
		"fib oif type local accept", "dnat to :7",
		"ct state odd accept", "ct status snat accept", "ct status and snat == 0 accept", "ct direction back accept",
		"ct id 7 drop", "ct mark 7 accept", "ct mark and 7 > 0 accept", "ct mark set 7", "ct mark set meta mark or 7",
		"meta l4proto gre accept", "meta l4proto . ct accept", "meta oif 7 accept",
		"ct original ip saddr @six accept", "ct original ip saddr @none accept", "ct original eth saddr @four accept",
		"ct reply proto-src http accept", "ct original ip saddr vmap @four",
		"ct id . ct original ip saddr @four accept",
		"update @four { ct original ip saddr }", "update @none { ct id }", "icmp type echo-request accept",
		"meta mark and 7 accept", "meta mark set meta mark and 7", `counter name "none"`, "counter", `counter name all`,
		"masquerade to 9", "masquerade random", "masquerade fully-random to :7-9",
		"jump none", "jump out", "goto", "ip saddr vmap @four",
	} {
		if _, err := NewTracer(layoutOf(text), Host{}); err == nil {
			t.Errorf("%q was taken for a rule that is known", text)
		} else if text != "" && !strings.Contains(err.Error(), "chain out, rule 0 ("+text+")") {
			t.Errorf("%q: the error does not say where: %v", text, err)
		}
	}
}

func TestRefusalsOfChains(t *testing.T) {
	for what, change := range map[string]func(*nft.Chain){
		"an unknown hook":                func(c *nft.Chain) { c.Hook = "ingress" },
		"an unknown type":                func(c *nft.Chain) { c.Type = "route" },
		"nat where nothing is modelled":  func(c *nft.Chain) { c.Hook = "input" },
		"an unknown priority":            func(c *nft.Chain) { c.Priority = "late" },
		"masquerade in a filter":         func(c *nft.Chain) { c.Type, c.Rules[0].Text = "filter", "masquerade" },
		"masquerade before routing":      func(c *nft.Chain) { *c = translating("masquerade") },
		"dnat to an address":             func(c *nft.Chain) { *c = translating("dnat to 192.0.2.9") },
		"dnat to no number":              func(c *nft.Chain) { *c = translating("dnat to :80-http") },
		"oifname before routing":         func(c *nft.Chain) { c.Type, c.Hook = "filter", "prerouting" },
		"conntrack before it has looked": func(c *nft.Chain) { *c = early("ct status dnat accept") },
		"ports of fragments": func(c *nft.Chain) {
			*c = early("udp dport 7 accept")
			c.Priority = "-450"
		},
	} {
		l := layoutOf(`oifname "eth0" accept`)
		change(&l.Chains[0])
		if _, err := NewTracer(l, Host{}); err == nil {
			t.Errorf("%s was not refused", what)
		}
	}
}

func early(text string) nft.Chain {
	rules := []nft.Rule{{Text: text}}
	return nft.Chain{Name: "early", Type: "filter", Hook: "prerouting", Priority: "raw", Rules: rules}
}

// translating is a chain that others' translation comes after.
func translating(text string) nft.Chain {
	rules := []nft.Rule{{Text: text}}
	return nft.Chain{Name: "early", Type: "nat", Hook: "prerouting", Priority: "dstnat-10", Rules: rules}
}

// TestSettled has a rule keep a destination that others would translate, of the first packet and of no other.
func TestSettled(t *testing.T) {
	l := layoutOf("accept")
	l.Chains[0] = translating("udp dport 80 fib daddr type local dnat to :80")
	tracer, err := NewTracer(l, Host{Local: []netip.Addr{netip.MustParseAddr("192.0.2.9")}})
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		"192.0.2.9:80": "192.0.2.9:80", "192.0.2.9:81": "192.0.2.77:9", "192.0.2.8:80": "192.0.2.77:9",
	} {
		p := packet("192.0.2.1:53", to)
		p.In, p.Conntrack.Destination = "eth0", netip.MustParseAddrPort("192.0.2.77:9")
		if got := tracer.Trace(p); got.To.String() != want {
			t.Errorf("to %s: %v, want it to arrive at %s", to, got, want)
		}
		p.Conntrack.State = Established
		if got := tracer.Trace(p); got.To != p.Conntrack.Destination {
			t.Errorf("to %s, not the first: %v, want it to arrive at %v", to, got, p.Conntrack.Destination)
		}
	}
}

// TestFragments has the first fragment come in on another interface than the last one.
func TestFragments(t *testing.T) {
	for priority, drops := range map[string]bool{"-450": true, "-401": true, "-399": false} {
		l := layoutOf("accept")
		l.Chains[0] = early(`iifname "eth0" counter name "all" drop`)
		l.Chains[0].Priority = priority
		tracer, err := NewTracer(l, Host{})
		if err != nil {
			t.Fatal(err)
		}
		p := packet("192.0.2.1:53", "192.0.2.9:80")
		p.FirstIn, p.In = "eth0", "eth1"
		got := tracer.Trace(p)
		if dropped := got.Dropped != nil; dropped != drops || len(got.Counters) > 1 {
			t.Errorf("a chain of priority %s: %v, want it dropped: %t", priority, got, drops)
		}
		p.FirstIn, p.In = "eth1", "eth0"
		if got := tracer.Trace(p); got.Dropped == nil || len(got.Counters) != 1 {
			t.Errorf("a chain of priority %s, last fragment: %v", priority, got)
		}
	}
}

// TestExpressions says for each expression which packets it matches.
func TestExpressions(t *testing.T) {
	host := Host{Local: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
	v4, v6 := packet("192.0.2.1:53", "192.0.2.9:80"), packet("[2001:db8::1]:53", "[2001:db9::9]:80")
	tcp, invalid, reply := v4, v4, v4
	tcp.Protocol, tcp.Out, tcp.Mark = "tcp", "lo", 0x4001
	invalid.Conntrack = Conntrack{State: Invalid, DNAT: true, Mark: 1}
	reply.Conntrack = Conntrack{State: Established, Reply: true, DNAT: true, Mark: 0x80}
	packets := []struct {
		name string
		Packet
	}{{"v4", v4}, {"v6", v6}, {"tcp", tcp}, {"invalid", invalid}, {"reply", reply}}
	for text, want := range map[string]string{
		`oifname "eth0"`:              "v4 v6 invalid reply",
		`oifname != "eth0"`:           "tcp",
		`oifname { "lo", "eth0" }`:    "v4 v6 tcp invalid reply",
		`oifname != { "lo", "eth0" }`: "",
		"ip saddr 192.0.2.1":          "v4 tcp invalid reply",
		"ip saddr != 192.0.2.1":       "",
		"ip saddr != 192.0.2.2":       "v4 tcp invalid reply",
		"ip daddr 192.0.2.8/30":       "v4 tcp invalid reply",
		"ip saddr @four":              "v4 tcp invalid reply",
		"ip daddr @four":              "",
		"ip6 saddr @six":              "v6",
		"ip6 daddr @six":              "",
		"ip6 daddr != { ::, @six }":   "v6",
		"udp sport 53":                "v4 v6 invalid reply",
		"udp dport != 53":             "v4 v6 invalid reply",
		"tcp dport { 80, 443 }":       "tcp",
		"fib saddr type local":        "v4 tcp invalid reply",
		"fib daddr type local":        "",
		"ct state established,new":    "v4 v6 tcp reply",
		"ct state invalid":            "invalid",
		"ct status dnat":              "reply",
		"ct status and dnat == 0":     "v4 v6 tcp",
		"ct direction reply":          "reply",
		"ct direction original":       "v4 v6 tcp",
		"ct mark and 0x80 != 0":       "reply",
		"ct mark and 0x80 == 0":       "v4 v6 tcp",
		"meta mark and 0x4000 != 0":   "tcp",
	} {
		l := layoutOf(text + ` counter name "all"`)
		l.Chains[0].Type = "filter"
		tracer, err := NewTracer(l, host)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, p := range packets {
			if len(tracer.Trace(p.Packet).Counters) > 0 {
				got = append(got, p.name)
			}
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: packets (-want +got):\n%s", text, diff)
		}
	}
}

func TestChains(t *testing.T) {
	l := layoutOf("ip saddr 192.0.2.1 jump inner", "ip saddr 192.0.2.2 goto inner", `counter name "all"`,
		"masquerade to :7-9", "drop")
	tracer, err := NewTracer(l, Host{Masquerade: map[string][]netip.Addr{"eth0": {netip.MustParseAddr("192.0.2.77")}}})
	if err != nil {
		t.Fatal(err)
	}
	old := packet("192.0.2.3:53", "192.0.2.8:80")
	old.Conntrack = Conntrack{State: Established, Source: netip.MustParseAddrPort("192.0.2.77:9")}
	for what, c := range map[string]struct {
		packet       Packet
		want, leaves string
	}{
		"the inner chain drops": {packet("192.0.2.1:53", "192.0.2.9:80"), "jump inner, drop", ""},
		"the inner chain returns": {
			packet("192.0.2.1:53", "192.0.2.8:80"), "jump inner, return, masquerade", "192.0.2.77:0",
		},
		"goto does not come back": {
			packet("192.0.2.2:53", "192.0.2.8:80"), "goto inner, return", "192.0.2.2:53",
		},
		"not the first of its connection": {old, "", "192.0.2.77:9"},
	} {
		got := tracer.Trace(c.packet)
		var steps []string
		for _, s := range got.Steps {
			steps = append(steps, s.Verdict)
		}
		if diff := cmp.Diff(c.want, strings.Join(steps, ", ")); diff != "" {
			t.Errorf("%s: steps (-want +got):\n%s", what, diff)
		}
		if dropped := c.leaves == ""; dropped != (got.Dropped != nil) || !dropped && got.From.String() != c.leaves {
			t.Errorf("%s: %v", what, got)
		}
	}
}

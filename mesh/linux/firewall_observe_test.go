package linux

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/knftables"

	"warren.mesh/mesh"
)

// tampering is what others may do to the table. The same cases run against knftables' fake and against the kernel.
type tampering struct {
	name string
	do   func(t *testing.T, tx *knftables.Transaction, rules map[string][]*knftables.Rule)
	// want edits what is observed afterwards; nil means that the table is no longer known.
	want func(*mesh.Firewall)
}

// ruleOf is the layout's rule at this place, to be added once more.
func ruleOf(chain string, index int) *knftables.Rule {
	for _, c := range layoutOf(dualFirewall()).chains {
		if c.name == chain {
			return &knftables.Rule{Chain: chain, Rule: c.rules[index].text, Comment: knftables.PtrTo(c.rules[index].comment())}
		}
	}
	panic("no chain " + chain)
}

func deleteRule(tx *knftables.Transaction, r *knftables.Rule) {
	tx.Delete(&knftables.Rule{Chain: r.Chain, Handle: r.Handle})
}

func tamperings() []tampering {
	type (
		transaction = *knftables.Transaction
		byChain     = map[string][]*knftables.Rule
	)
	return []tampering{
		{name: "nothing", do: func(*testing.T, transaction, byChain) {}, want: func(*mesh.Firewall) {}},
		{name: "table deleted", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Delete(&knftables.Table{})
		}},
		{name: "table replaced by an empty one", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Delete(&knftables.Table{})
			tx.Add(&knftables.Table{})
		}},
		{name: "chain deleted", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Flush(&knftables.Chain{Name: "guard-out"})
			tx.Delete(&knftables.Chain{Name: "guard-out"})
		}},
		{name: "chain flushed", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Flush(&knftables.Chain{Name: "guard-forward"})
		}},
		{name: "chain added", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Add(&knftables.Chain{Name: "mine"})
		}},
		{name: "rule deleted", do: func(_ *testing.T, tx transaction, rules byChain) {
			deleteRule(tx, rules["guard-forward"][3])
		}},
		{name: "rule added behind", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Add(&knftables.Rule{Chain: "guard-in", Rule: "accept"})
		}},
		{name: "rule added before", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Insert(&knftables.Rule{Chain: "guard-out", Rule: "accept", Comment: knftables.PtrTo("let me")})
		}},
		{name: "rule there twice", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Add(ruleOf("guard-forward", 0))
		}},
		{name: "rule moved", do: func(_ *testing.T, tx transaction, rules byChain) {
			deleteRule(tx, rules["guard-forward"][0])
			tx.Add(ruleOf("guard-forward", 0))
		}},
		{name: "rule replaced", do: func(_ *testing.T, tx transaction, rules byChain) {
			r := rules["guard-forward"][3]
			tx.Replace(&knftables.Rule{Chain: r.Chain, Handle: r.Handle, Rule: "ip daddr @nodes4 accept"})
		}},
		{name: "counter deleted with its rules", do: func(_ *testing.T, tx transaction, rules byChain) {
			for _, r := range rules["guard-spoof"] {
				deleteRule(tx, r)
			}
			tx.Delete(&knftables.Counter{Name: spoof})
		}},
		{name: "counter added", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Add(&knftables.Counter{Name: "mine"})
		}},
		{name: "set added", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Add(&knftables.Set{Name: "mine4", Type: "ipv4_addr"})
		}},
		{name: "map added", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Add(&knftables.Map{Name: "mine", Type: "ipv4_addr : ipv4_addr"})
		}},
		{name: "node addresses changed", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Add(nodeElement(netip.MustParseAddr("172.31.9.4")))
			tx.Delete(nodeElement(netip.MustParseAddr("fd00:9::2")))
		}, want: func(fw *mesh.Firewall) {
			fw.NodeIPs = addrs("172.31.9.1", "172.31.9.2", "172.31.9.3", "172.31.9.4", "fd00:9::1", "fd00:9::3")
		}},
		{name: "set flushed", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Flush(&knftables.Set{Name: "cluster4"})
		}},
		{name: "own addresses flushed", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Flush(&knftables.Set{Name: "self4"})
		}, want: func(fw *mesh.Firewall) { fw.OwnIPs = addrs("fd00:9::1") }},
		{name: "made from something else", do: func(_ *testing.T, tx transaction, rules byChain) {
			other := layoutOf(dualFirewall())
			other.about.port++
			r := rules[aboutChain][0]
			tx.Replace(&knftables.Rule{Chain: r.Chain, Handle: r.Handle, Rule: "return", Comment: knftables.PtrTo(other.identity())})
		}},
		{name: "made by another version", do: func(_ *testing.T, tx transaction, rules byChain) {
			other := layoutOf(dualFirewall())
			other.chains[0].priority = knftables.ManglePriority
			r := rules[aboutChain][0]
			tx.Replace(&knftables.Rule{Chain: r.Chain, Handle: r.Handle, Rule: "return", Comment: knftables.PtrTo(other.identity())})
		}},
		{name: "identity gone", do: func(_ *testing.T, tx transaction, rules byChain) {
			deleteRule(tx, rules[aboutChain][0])
		}},
	}
}

// testTampering does it to a table in force, observes, and replaces the table again.
func testTampering(t *testing.T, nft knftables.Interface, c tampering) {
	t.Helper()
	f := newFirewall(nft, noCount)
	testObserves(t, f, dualFirewall())
	tamper(t, nft, c)

	got, err := f.observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var want mesh.Firewall
	if c.want != nil {
		want = dualFirewall()
		c.want(&want)
	}
	if diff := cmp.Diff(want, got, sameAddrs); diff != "" {
		t.Errorf("observed afterwards (-want +got):\n%s", diff)
	}
	testObserves(t, f, dualFirewall())
}

func tamper(t *testing.T, nft knftables.Interface, c tampering) {
	t.Helper()
	all, err := nft.ListRules(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string][]*knftables.Rule{}
	for _, r := range all {
		rules[r.Chain] = append(rules[r.Chain], r)
	}
	tx := nft.NewTransaction()
	c.do(t, tx, rules)
	if tx.NumOperations() == 0 {
		return
	}
	if err := nft.Run(t.Context(), tx); err != nil {
		t.Fatalf("tamper: %v", err)
	}
}

func TestFirewallTampering(t *testing.T) {
	for _, c := range tamperings() {
		t.Run(c.name, func(t *testing.T) {
			testTampering(t, knftables.NewFake(firewallFamily, firewallTable), c)
		})
	}
}

func TestFirewallObserveAbsent(t *testing.T) {
	f, _ := fakeFirewall(t)
	got, err := f.observe(t.Context())
	if err != nil || got.Link != "" {
		t.Errorf("observed %+v, %v where there is no table", got, err)
	}
}

func TestParseElements(t *testing.T) {
	for name, c := range map[string]struct {
		keys [][]string
		want []netip.Prefix
		ok   bool
	}{
		"none":             {ok: true},
		"prefixes":         {[][]string{{"10.0.0.0/8"}, {"fd00::/64"}}, prefixes("10.0.0.0/8", "fd00::/64"), true},
		"addresses":        {[][]string{{"10.0.0.1"}, {"::1"}}, prefixes("10.0.0.1/32", "::1/128"), true},
		"a range's nil":    {[][]string{{""}}, nil, false},
		"a concatenation":  {[][]string{{"10.0.0.1", "80"}}, nil, false},
		"an interface":     {[][]string{{"eth0"}}, nil, false},
		"nothing in a key": {[][]string{{}}, nil, false},
	} {
		var elements []*knftables.Element
		for _, key := range c.keys {
			elements = append(elements, &knftables.Element{Key: key})
		}
		got, ok := parseElements(elements)
		if diff := cmp.Diff(c.want, got, sameAddrs); diff != "" || ok != c.ok {
			t.Errorf("%s: ok %v, want %v (-want +got):\n%s", name, ok, c.ok, diff)
		}
	}
}

func FuzzParseIdentity(f *testing.F) {
	for _, fw := range firewalls() {
		f.Add(layoutOf(fw).identity())
	}
	f.Add("link a bridge b port 99999 mark 0x00000001 #00000000")
	f.Add("link a bridge b port 1 mark 0x #00000000")
	f.Fuzz(func(t *testing.T, comment string) {
		p, ok := parseIdentity(comment)
		if !ok {
			return
		}
		again, ok := parseIdentity(layout{about: p}.identity())
		if !ok || again != p {
			t.Errorf("%q is %+v, and that is again %+v", comment, p, again)
		}
	})
}

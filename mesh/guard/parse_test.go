package guard

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/knftables"

	"warren.mesh/mesh"
	"warren.mesh/mesh/nft"
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
	for _, c := range Layout(dualFirewall()).Chains {
		if c.Name == chain {
			r := c.Rules[index]
			return &knftables.Rule{Chain: chain, Rule: r.Text, Comment: knftables.PtrTo(r.Comment())}
		}
	}
	panic("no chain " + chain)
}

func deleteRule(tx *knftables.Transaction, r *knftables.Rule) {
	tx.Delete(&knftables.Rule{Chain: r.Chain, Handle: r.Handle})
}

// identify gives the table another identity; r is the rule that holds it.
func identify(tx *knftables.Transaction, r *knftables.Rule, identity string) {
	tx.Replace(&knftables.Rule{Chain: r.Chain, Handle: r.Handle, Rule: "return", Comment: &identity})
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
			tx.Replace(&knftables.Rule{Chain: r.Chain, Handle: r.Handle, Rule: "ip daddr @node-ips4 accept"})
		}},
		{name: "counter deleted with its rules", do: func(_ *testing.T, tx transaction, rules byChain) {
			for _, r := range rules["guard-spoof"] {
				deleteRule(tx, r)
			}
			tx.Delete(&knftables.Counter{Name: spoofedByPod})
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
			tx.Add(&knftables.Element{Set: "node-ips4", Key: []string{"172.31.9.4"}})
			tx.Delete(&knftables.Element{Set: "node-ips6", Key: []string{"fd00:9::2"}})
		}, want: func(fw *mesh.Firewall) {
			fw.NodeIPs = addrs("172.31.9.1", "172.31.9.2", "172.31.9.3", "172.31.9.4", "fd00:9::1", "fd00:9::3")
		}},
		{name: "set flushed", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Flush(&knftables.Set{Name: "cluster4"})
		}},
		{name: "own addresses flushed", do: func(_ *testing.T, tx transaction, _ byChain) {
			tx.Flush(&knftables.Set{Name: "local-ips4"})
		}, want: func(fw *mesh.Firewall) { fw.OwnIPs = addrs("fd00:9::1") }},
		{name: "made from something else", do: func(_ *testing.T, tx transaction, rules byChain) {
			fw := dualFirewall()
			fw.Port++
			identify(tx, rules["about"][0], Layout(fw).Identity())
		}},
		{name: "made by another version", do: func(_ *testing.T, tx transaction, rules byChain) {
			other := Layout(dualFirewall())
			other.Chains[0].Priority = "mangle"
			identify(tx, rules["about"][0], other.Identity())
		}},
		{name: "identity gone", do: func(_ *testing.T, tx transaction, rules byChain) {
			deleteRule(tx, rules["about"][0])
		}},
	}
}

// testTampering does it to a table in force, observes, and replaces the table again.
func testTampering(t *testing.T, nfi knftables.Interface, c tampering) {
	t.Helper()
	table := nft.New(Table, nfi, func() {})
	testParses(t, table, dualFirewall())
	tamper(t, nfi, c)

	var want mesh.Firewall
	if c.want != nil {
		want = dualFirewall()
		c.want(&want)
	}
	if diff := cmp.Diff(want, observe(t, table), sameAddrs); diff != "" {
		t.Errorf("observed afterwards (-want +got):\n%s", diff)
	}
	testParses(t, table, dualFirewall())
}

func tamper(t *testing.T, nfi knftables.Interface, c tampering) {
	t.Helper()
	all, err := nfi.ListRules(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string][]*knftables.Rule{}
	for _, r := range all {
		rules[r.Chain] = append(rules[r.Chain], r)
	}
	tx := nfi.NewTransaction()
	c.do(t, tx, rules)
	if tx.NumOperations() == 0 {
		return
	}
	if err := nfi.Run(t.Context(), tx); err != nil {
		t.Fatalf("tamper: %v", err)
	}
}

func TestTampering(t *testing.T) {
	for _, c := range tamperings() {
		t.Run(c.name, func(t *testing.T) {
			testTampering(t, knftables.NewFake(knftables.InetFamily, Table.Name), c)
		})
	}
}

func TestParseAbsent(t *testing.T) {
	table, _ := fakeTable()
	if got := observe(t, table); got.Link != "" {
		t.Errorf("observed %+v where there is no table", got)
	}
}

func TestParseKey(t *testing.T) {
	for name, c := range map[string]struct {
		key  []string
		want netip.Prefix
		ok   bool
	}{
		"a prefix":         {[]string{"10.0.0.0/8"}, netip.MustParsePrefix("10.0.0.0/8"), true},
		"a prefix, IPv6":   {[]string{"fd00::/64"}, netip.MustParsePrefix("fd00::/64"), true},
		"an address":       {[]string{"10.0.0.1"}, netip.MustParsePrefix("10.0.0.1/32"), true},
		"an address, IPv6": {[]string{"::1"}, netip.MustParsePrefix("::1/128"), true},
		"a range":          {[]string{"10.0.0.1-10.0.0.9"}, netip.Prefix{}, false},
		"a range's nil":    {[]string{""}, netip.Prefix{}, false},
		"a concatenation":  {[]string{"10.0.0.1", "80"}, netip.Prefix{}, false},
		"an interface":     {[]string{"eth0"}, netip.Prefix{}, false},
		"nothing in a key": {[]string{}, netip.Prefix{}, false},
	} {
		got, ok := parseKey(c.key)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %v, %v, want %v, %v", name, got, ok, c.want, c.ok)
		}
	}
}

func FuzzParseOrigin(f *testing.F) {
	for _, fw := range firewalls() {
		f.Add(originOf(fw).String())
	}
	f.Add("link a bridge b port 99999 mark 0x00000001")
	f.Add("link a bridge b port 1 mark 0x")
	f.Fuzz(func(t *testing.T, text string) {
		o, ok := parseOrigin(text)
		if !ok {
			return
		}
		again, ok := parseOrigin(o.String())
		if !ok || again != o {
			t.Errorf("%q is %+v, and that is again %+v", text, o, again)
		}
	})
}

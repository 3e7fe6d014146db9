package nft

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/netlink"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// TestPrivilegedSimpleRules: rules of nft and of iptables are read alike, as far as they are understood.
func TestPrivilegedSimpleRules(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	id := ID{Family: "ip", Name: "filter"}
	namespace.Run(t, "iptables-nft -N A\niptables-nft -P FORWARD DROP")
	var want []SimpleRule
	for _, c := range []struct {
		command string
		want    SimpleRule
	}{
		{"iptables-nft -A A -i a0 -j ACCEPT", SimpleRule{In: "a0", Verdict: "accept"}},
		{"nft add rule ip filter A iifname a0 counter accept", SimpleRule{In: "a0", Verdict: "accept"}},
		{"iptables-nft -A A -o a0 -m comment --comment why -j DROP",
			SimpleRule{Out: "a0", Verdict: "drop", Comment: "why"}},
		{"nft add rule ip filter A oifname a0 drop comment why",
			SimpleRule{Out: "a0", Verdict: "drop", Comment: "why"}},
		{"iptables-nft -A A -i a+ -j ACCEPT", SimpleRule{Narrowed: true, Verdict: "accept"}},
		{"nft add rule ip filter A iifname != a0 accept", SimpleRule{Narrowed: true, Verdict: "accept"}},
		{"nft add rule ip filter A iifname { a0, b0 } accept", SimpleRule{Narrowed: true, Verdict: "accept"}},
		{"iptables-nft -A A -i a0 -s 192.0.2.1 -j ACCEPT", SimpleRule{In: "a0", Narrowed: true, Verdict: "accept"}},
		{"iptables-nft -A A -p udp --dport 53 -j ACCEPT", SimpleRule{UDPPort: 53, Verdict: "accept"}},
		{"nft add rule ip filter A udp dport 53 accept", SimpleRule{UDPPort: 53, Verdict: "accept"}},
		{"iptables-nft -A A -p udp -j ACCEPT", SimpleRule{Narrowed: true, Verdict: "accept"}},
		{"iptables-nft -A A -p tcp --dport 53 -j ACCEPT", SimpleRule{UDPPort: 53, Narrowed: true, Verdict: "accept"}},
		{"iptables-nft -A A -m conntrack --ctstate NEW -j DROP", SimpleRule{Narrowed: true, Verdict: "drop"}},
		{"iptables-nft -A A -j LOG", SimpleRule{}},
		{"iptables-nft -A A -j RETURN", SimpleRule{Verdict: "return"}},
		{"iptables-nft -A FORWARD -j A", SimpleRule{}}, // of another chain
		{"nft add rule ip filter A log drop", SimpleRule{Verdict: "drop"}},
		{"nft add rule ip filter A limit rate 1/second drop", SimpleRule{Narrowed: true, Verdict: "drop"}},
		{"iptables-nft -A A -j REJECT", SimpleRule{Verdict: "drop"}},
		{"nft add rule ip filter A reject", SimpleRule{Verdict: "drop"}},
	} {
		namespace.Run(t, c.command)
		if c.command != "iptables-nft -A FORWARD -j A" {
			want = append(want, c.want)
		}
	}
	got, err := Rules(id, "A")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(SimpleRule{}, "Handle")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	jump, err := Rules(id, "FORWARD")
	if err != nil || len(jump) != 1 || jump[0].Verdict != "jump" || jump[0].Target != "A" || !jump[0].Unconditional() {
		t.Errorf("a jump is read as %+v, %v", jump, err)
	}
	if rules, err := Rules(ID{Family: "ip6", Name: "filter"}, "A"); err != nil || len(rules) > 0 {
		t.Errorf("rules of no table: %v, %v", rules, err)
	}
	chains, err := BaseChains()
	if diff := cmp.Diff([]BaseChain{{id, "FORWARD", "filter", "forward", 0, true}}, chains); err != nil || diff != "" {
		t.Errorf("base chains, %v (-want +got):\n%s", err, diff)
	}
}

// TestPrivilegedAddRules: rules are read as they were written, where they were put, and go one by one; all or none.
func TestPrivilegedAddRules(t *testing.T) {
	meshtest.Privileged(t)
	namespace.Enter(t)
	namespace.Run(t, "ip6tables-nft -P INPUT DROP\nip6tables-nft -A INPUT -j DROP")
	id := ID{Family: "ip6", Name: "filter"}
	first, err := Rules(id, "INPUT")
	if err != nil || len(first) != 1 {
		t.Fatalf("%v, %v", first, err)
	}
	a := SimpleRule{In: "an-interface-15", Comment: "a", Verdict: "accept"}
	b := SimpleRule{UDPPort: 51820, Comment: "b", Verdict: "accept"}
	c := SimpleRule{Out: "c0", Comment: "c", Verdict: "accept"}
	for _, err := range []error{AddRules(id, "INPUT", first[0].Handle, a, b), AddRules(id, "INPUT", 0, c)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	all, err := Rules(id, "INPUT")
	if diff := cmp.Diff([]SimpleRule{a, b, {Verdict: "drop"}, c}, all,
		cmpopts.IgnoreFields(SimpleRule{}, "Handle")); err != nil || diff != "" {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	if err := DeleteRules(id, "INPUT", all[0].Handle, 999); err == nil {
		t.Error("a rule that does not exist was deleted")
	}
	if err := DeleteRules(id, "INPUT", all[0].Handle, all[3].Handle); err != nil {
		t.Error(err)
	}
	if rest, err := Rules(id, "INPUT"); err != nil || len(rest) != 2 || rest[0].Comment != "b" {
		t.Errorf("left are %+v, %v", rest, err)
	}
	if err := AddRules(id, "FORWARD", 0, a); err == nil {
		t.Error("a rule was added to a chain that does not exist")
	}
}

// TestPrivilegedOthersChanges: changes of tables that are not watched are told if they matter, once a transaction.
func TestPrivilegedOthersChanges(t *testing.T) {
	table := kernelTable(t)
	watch, err := Subscribe(table)
	if err != nil {
		t.Fatal(err)
	}
	asked, changed := make(chan string, 100), make(chan bool, 100)
	watch.Others = func(id ID, chain, hook string) bool {
		asked <- fmt.Sprintf("%v %s %s", id, chain, hook)
		return chain == "matters"
	}
	watch.OthersChanged = func() { changed <- true }
	ended := make(chan error)
	go func() { ended <- watch.Run(t.Context(), func(*Table, uint32) {}) }()
	t.Cleanup(func() {
		_ = watch.Close()
		t.Logf("the watch has ended: %v", <-ended)
	})
	for _, c := range []struct{ command, asked string }{
		{"nft add chain ip a matters { type filter hook input priority 0; }", "ip a matters input"},
		{"nft add rule ip a matters accept", "ip a matters "},
		{"nft delete table ip a", "ip a matters "},
	} {
		if c.asked == "ip a matters input" {
			namespace.Run(t, "nft add table ip a")
			if got := <-asked; got != "ip a  " {
				t.Errorf("a new table is told as %q", got)
			}
		}
		namespace.Run(t, c.command)
		<-changed
		if got := <-asked; got != c.asked {
			t.Errorf("%s: told as %q, want %q", c.command, got, c.asked)
		}
	}
	if len(changed) > 0 {
		t.Error("a change that does not matter was told, or one twice")
	}
}

// FuzzParseRule: whatever is in a message, it is read or not, and nothing else happens.
func FuzzParseRule(f *testing.F) {
	attributes, err := encoded(func(e *netlink.AttributeEncoder) {
		SimpleRule{In: "a0", Out: "b0", UDPPort: 53, Comment: "c"}.write(e, ID{Family: "ip", Name: "t"}, "c", 7)
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(make([]byte, nfgenmsgSize), attributes...))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _, _ = parseRule(netlink.Message{Data: data})
		_, _ = parseBaseChain(netlink.Message{Data: data})
	})
}

package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"warren.mesh/mesh/nft"
)

// Ranges of ports that meet are one, as a set of intervals wants them, and names of one number one port.
func TestPortsOfSeveralPeers(t *testing.T) {
	peers := rule(podsWith("app=a"), podsWith("app=none"))
	in := world(ingress("p", with("app=b"), peers.on(
		Port{TCP, "", 80, 90}, Port{TCP, "", 85, 95}, Port{TCP, "", 96, 0}, Port{TCP, "", 98, 99}, Port{UDP, "", 7, 7},
		Port{UDP, "", 65535, 0}, Port{UDP, "", 65530, 65534}, Port{UDP, "", 1, 2}, Port{TCP, "", 99, 0},
		Port{SCTP, "none", 0, 0}, Port{SCTP, "", 80, 0}, Port{SCTP, "", 0, 0})))
	try(t, in, "r > b tcp/79: no", "r > b tcp/80: yes", "r > b tcp/95: yes", "r > b tcp/96: yes", "r > b tcp/97: no",
		"r > b tcp/99: yes", "r > b tcp/100: no", "r > b udp/1: yes", "r > b udp/3: no", "r > b udp/7: yes",
		"r > b udp/65529: no", "r > b udp/65535: yes", "r > b sctp/81: yes", "s > b tcp/80: no")
	in = world(egress("p", with("app=b"), peers.on(Port{TCP, "web", 0, 0}, Port{TCP, "other", 0, 0},
		Port{UDP, "dns", 0, 0}, Port{TCP, "web", 0, 0})))
	in.Pods[3].Ports = append(in.Pods[3].Ports, NamedPort{"other", TCP, 80}, NamedPort{"other", TCP, 81})
	try(t, in, "b > r tcp/80: yes", "b > r tcp/81: yes", "b > r udp/53: yes", "b > r udp/80: no", "b > a tcp/80: yes",
		"b > a tcp/81: no", "b > s tcp/80: no")
}

// Many ports of a rule with one peer or none are one set for each protocol, and its names another.
func TestManyPorts(t *testing.T) {
	var ports []Port
	for i := range uint16(fewPorts) {
		ports = append(ports, Port{TCP, "", 1000 + 2*i, 0}, Port{UDP, "", 1000 + 10*i, 1004 + 10*i},
			Port{TCP, fmt.Sprintf("web%d", i), 0, 0})
	}
	more := append(slices.Clone(ports), Port{TCP, "", 8080, 0}, Port{UDP, "", 8080, 0}, Port{TCP, "web", 0, 0})
	before, _ := Compile(world(ingress("p", with("app=a"))))
	for name, r := range map[string]Rule{"anybody": anybody(), "one peer": rule(podsWith())} {
		for _, c := range []struct {
			ports []Port
			rules int
		}{{ports, 2 * len(ports)}, {more, 2 * 3}} {
			after, _ := Compile(world(ingress("p", with("app=a"), r.on(c.ports...))))
			if got := rulesOf(after.Table) - rulesOf(before.Table); got != c.rules {
				t.Errorf("%d ports of %s: %d rules, want %d", len(c.ports), name, got, c.rules)
			}
		}
		in := world(ingress("p", with("app=a"), r.on(more...)), egress("q", with("app=b"), r.on(more...)))
		try(t, in, "b > a tcp/1002: yes", "b > a tcp/1003: no", "b > a udp/1014: yes", "b > a udp/1015: no",
			"b > a tcp/8080: yes", "b > a tcp/80: yes", "b > a tcp/81: no", "b > a udp/53: no", "b > a icmp: no",
			"b > b tcp/8080: yes", "node > a tcp/81: yes")
	}
}

// A block is at most one interval more than it has exceptions.
func TestSpans(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8":                              "10.0.0.0/8",
		"10.0.0.0/8 10.0.0.0/9":                   "10.128.0.0/9",
		"10.0.0.0/8 10.0.0.0/8":                   "",
		"10.0.0.0/8 0.0.0.0/0":                    "",
		"10.0.0.0/30 10.0.0.3/32":                 "10.0.0.0-10.0.0.2",
		"10.0.0.0/30 10.0.0.1/32 192.0.2.0/24":    "10.0.0.0 10.0.0.2/31",
		"0.0.0.0/0 255.255.255.255/32":            "0.0.0.0-255.255.255.254",
		"0.0.0.0/0 0.0.0.0/1 64.0.0.0/2 ::/0":     "128.0.0.0/1",
		"10.0.0.0/24 10.0.0.4/30 10.0.0.8/30":     "10.0.0.0/30 10.0.0.12-10.0.0.255",
		"::/0 8000::/1 4000::/2":                  "::/2",
		"fd00::/8 fd00:1::/32 fd00:1:2::/48 ::/1": "fd00::/32 fd00:2::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	} {
		fields := strings.Fields(text)
		var got []string
		for _, s := range block(fields[0], fields[1:]...).Block.spans() {
			got = append(got, nft.Range(s.first, s.last))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", text, got, want)
		}
	}
	all := Block{CIDR: netip.MustParsePrefix("::/0")}
	for i := range 10_000 {
		ip := netip.AddrFrom16([16]byte{byte(i >> 8), byte(i), 15: 7})
		all.Except = append(all.Except, netip.PrefixFrom(ip, 128))
	}
	if n := len(all.spans()); n != len(all.Except)+1 {
		t.Errorf("%d spans of %d exceptions", n, len(all.Except))
	}
}

// One policy takes no node's daemon: beyond a size it lets nothing through, and is a Problem. The others are kept.
func TestOnePolicyIsBounded(t *testing.T) {
	selectors, blocks, except, ranges := rule(), rule(), block("::/0"), anybody()
	for i := range mostRules / 2 {
		selectors.Peers = append(selectors.Peers, podsWith(fmt.Sprintf("app=app%d", i)))
	}
	ranges.AllPorts = false
	for i := range mostElements {
		ip := netip.AddrFrom16([16]byte{0xfd, byte(i >> 8), byte(i)})
		except.Block.Except = append(except.Block.Except, netip.PrefixFrom(ip, 128))
		ranges.Ports = append(ranges.Ports, Port{TCP, "", uint16(3*i + 1), uint16(3*i + 2)})
	}
	for i := range 5 * mostRules {
		blocks.Peers = append(blocks.Peers, block(fmt.Sprintf("198.%d.%d.0/24", i>>8, i&255)))
	}
	manyPorts, manyNames := anybody(), rule(podsWith("app=b"))
	manyPorts.AllPorts, manyNames.AllPorts = false, false
	for i := range uint16(mostRules/2 + 1) {
		manyPorts.Ports = append(manyPorts.Ports, Port{TCP, "", 2*i + 1, 0})
		manyNames.Ports = append(manyNames.Ports, Port{TCP, fmt.Sprintf("web%d", i), 0, 0})
	}
	// What follows is few rules, and hardly an element of nftables, and costs with each pod of the cluster.
	in, notIn, absent, names := with(), with(), with(), rule(namespacesWith(), block("198.51.100.0/24"))
	in.Requirements = []Requirement{{Key: "app", Operator: In}}
	notIn.Requirements = []Requirement{{Key: "app", Operator: NotIn}}
	for i := range mostElements {
		text := fmt.Sprintf("app%d", i)
		in.Requirements[0].Values = append(in.Requirements[0].Values, text)
		notIn.Requirements[0].Values = append(notIn.Requirements[0].Values, text)
		absent.Requirements = append(absent.Requirements, Requirement{Key: text, Operator: DoesNotExist})
		names = names.on(append(names.Ports, Port{TCP, text, 0, 0})...)
	}
	several := names.on(names.Ports[:mostElements/16]...)
	several.Peers = nil
	for i := range 17 {
		several.Peers = append(several.Peers, podsWith(fmt.Sprintf("app=app%d", i)))
	}
	more := rule(append([]Peer{podsWith("app=b")}, selectors.Peers...)...)
	for name, c := range map[string]struct {
		rules []Rule
		kept  bool
	}{
		"too many names":                {[]Rule{names}, false},
		"too many values":               {[]Rule{rule(Peer{Pods: &in})}, false},
		"too many values of namespaces": {[]Rule{rule(Peer{Namespaces: &notIn})}, false},
		"too many requirements":         {[]Rule{rule(Peer{Pods: &absent})}, false},
		"the most rules":                {[]Rule{selectors}, true},
		"a list of blocks":              {[]Rule{blocks}, true},
		"many ports of anybody":         {[]Rule{manyPorts}, true},
		"many names of one peer":        {[]Rule{manyNames}, true},
		"too many rules":                {[]Rule{more}, false},
		"too many ranges":               {[]Rule{ranges, anybody()}, false},
		"too many elements":             {[]Rule{rule(except), anybody()}, false},
	} {
		bounded(t, name, ingress("p", with("app=a"), c.rules...), c.kept)
	}
	bounded(t, "names of several peers, of which each has its own", egress("p", with("app=a"), several), false)
	bounded(t, "names of this node's pods, whoever asks them", ingress("p", with("app=a"), several), true)
	notIn.Requirements[0].Values = append(notIn.Requirements[0].Values, "x")
	bounded(t, "too many values of the pods that are isolated", ingress("p", notIn, anybody()), false)
}

// bounded wants a policy to be kept, or to be too large: then it isolates its pods, and others are kept.
func bounded(t *testing.T, name string, p Policy, want bool) {
	t.Helper()
	kept, problems := keep(p)
	rules := len(kept.Ingress) + len(kept.Egress)
	if (rules > 0) != want || (len(problems) == 0) != want {
		t.Errorf("%s: %d rules are left, %v", name, rules, problems)
	}
	if want {
		return
	}
	if len(problems) != 1 || problems[0].Field != "spec" {
		t.Errorf("%s: %v", name, problems)
	}
	other := ingress("q", with("app=b"), rule(podsWith("app=a")))
	if p.IsolatesIngress {
		try(t, world(p, other), "b > a tcp/80: no", "a > b tcp/80: yes")
	} else {
		try(t, world(p, other), "b > a tcp/80: yes", "a > b tcp/80: no")
	}
}

// The blocks of a long list are one set and one rule. It has the gateways of nodes that it covers, as each block has.
func TestManyBlocks(t *testing.T) {
	r := rule(block("192.0.2.2/31"), block("2001:db8::2/128"), block("198.51.100.0/24", "198.51.100.7/32"))
	for i := range fewBlocks {
		r.Peers = append(r.Peers, block(fmt.Sprintf("198.51.100.%d/32", 2*i)))
		r.Peers = append(r.Peers, block(fmt.Sprintf("2001:db8:1::%x/127", 4*i)))
	}
	in := world(ingress("p", with("app=a"), r))
	try(t, in, "other > a tcp/80: yes", "other-gateway > a tcp/80: yes", "r > a tcp/80: no", "b > a tcp/80: no")
	for ip, want := range map[string]bool{
		"198.51.100.7": false, "198.51.100.8": true, "198.51.101.0": false,
		"2001:db8:1::5": true, "2001:db8:1::6": false,
	} {
		c := Connection{Client: netip.MustParseAddr(ip), Server: addresses["a"], Protocol: TCP, Port: 80}
		if c.Client.Is6() {
			c.Server = addresses["a6"]
		}
		w := newWire(t, in)
		if d := w.judge(c); d.Allowed != want {
			t.Errorf("%s: %v", ip, d)
		}
		w.check(t, c)
		w.checkIntervals(t)
	}
	before, _ := Compile(world(ingress("p", with("app=a"))))
	after, _ := Compile(in)
	if got := rulesOf(after.Table) - rulesOf(before.Table); got != 2 {
		t.Errorf("%d rules for %d blocks, want one for each family", got, len(r.Peers))
	}
}

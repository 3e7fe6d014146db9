package policy

import (
	"fmt"
	"net/netip"
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
	more := rule(append([]Peer{podsWith("app=b")}, selectors.Peers...)...)
	for name, c := range map[string]struct {
		rules []Rule
		kept  bool
	}{
		"the most rules":    {[]Rule{selectors}, true},
		"a list of blocks":  {[]Rule{blocks}, true},
		"too many rules":    {[]Rule{more}, false},
		"too many ranges":   {[]Rule{ranges, anybody()}, false},
		"too many elements": {[]Rule{rule(except), anybody()}, false},
	} {
		p := ingress("p", with("app=a"), c.rules...)
		kept, problems := keep(p)
		if (len(kept.Ingress) > 0) != c.kept || (len(problems) == 0) != c.kept {
			t.Errorf("%s: %d rules are left, %v", name, len(kept.Ingress), problems)
		}
		if !c.kept {
			if len(problems) != 1 || problems[0].Field != "spec" {
				t.Errorf("%s: %v", name, problems)
			}
			other := ingress("q", with("app=b"), rule(podsWith("app=a")))
			try(t, world(p, other), "b > a tcp/80: no", "a > b tcp/80: yes")
		}
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

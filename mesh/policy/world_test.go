package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// addresses are those of the tests' cluster by name; a name with a 6 behind it is the IPv6 address.
// "local6" is a link-local address of some pod of this node.
var addresses = func() map[string]netip.Addr {
	all := map[string]netip.Addr{}
	for name, suffix := range map[string]int{"a": 2, "b": 3, "c": 4, "d": 5} { // pods of this node
		all[name] = netip.MustParseAddr(fmt.Sprintf("10.244.1.%d", suffix))
		all[name+"6"] = netip.MustParseAddr(fmt.Sprintf("fd00:10:244:1::%d", suffix))
	}
	for name, suffix := range map[string]int{"r": 2, "s": 3} { // pods of the other node
		all[name] = netip.MustParseAddr(fmt.Sprintf("10.244.2.%d", suffix))
		all[name+"6"] = netip.MustParseAddr(fmt.Sprintf("fd00:10:244:2::%d", suffix))
	}
	for i, node := range []string{"node", "other"} {
		all[node] = netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", i+1))
		all[node+"6"] = netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1))
		all[node+"-gateway"] = netip.MustParseAddr(fmt.Sprintf("10.244.%d.1", i+1))
		all[node+"-gateway6"] = netip.MustParseAddr(fmt.Sprintf("fd00:10:244:%d::1", i+1))
	}
	all["outside"] = netip.MustParseAddr("198.51.100.7")
	all["outside6"] = netip.MustParseAddr("2001:db8:1::7")
	all["local6"], all["node-local6"] = netip.MustParseAddr("fe80::7"), netip.MustParseAddr("fe80::1")
	return all
}()

func both(name string) []netip.Addr { return []netip.Addr{addresses[name], addresses[name+"6"]} }

func labelled(pairs ...string) Labels {
	labels := map[string]string{}
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		labels[key] = value
	}
	return NewLabels(labels)
}

// world is a cluster of two nodes: x/a, x/b and y/c run here, x/r and y/s on the other. Their labels are app=NAME but
// for r, which is another app=a. A container of a and r names ports: web is tcp 80, dns udp 53.
func world(policies ...Policy) Input {
	node := func(name, node string, n int) Node {
		return Node{
			Name: name, InternalIPs: both(node), Gateways: both(node + "-gateway"),
			PodCIDRs: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", n)),
				netip.MustParsePrefix(fmt.Sprintf("fd00:10:244:%d::/64", n)),
			},
		}
	}
	ports := []NamedPort{{"web", TCP, 80}, {"dns", UDP, 53}}
	return Input{
		Self: "here", Nodes: []Node{node("here", "node", 1), node("there", "other", 2)},
		Namespaces: []Namespace{{"x", labelled("ns=x")}, {"y", labelled("ns=y")}},
		Pods: []Pod{
			{Namespace: "x", Name: "a", UID: "1", Node: "here", Labels: labelled("app=a"), Ports: ports},
			{Namespace: "x", Name: "b", UID: "2", Node: "here", Labels: labelled("app=b"), Addrs: both("b")},
			{Namespace: "y", Name: "c", UID: "3", Node: "here", Labels: labelled("app=c")},
			{
				Namespace: "x",
				Name:      "r",
				UID:       "4",
				Node:      "there",
				Labels:    labelled("app=a"),
				Addrs:     both("r"),
				Ports:     ports,
			},
			{Namespace: "y", Name: "s", UID: "5", Node: "there", Labels: labelled("app=s"), Addrs: both("s")},
		},
		Attached: []Attached{
			{Namespace: "x", Name: "a", UID: "1", Addrs: both("a")},
			{Namespace: "x", Name: "b", UID: "2", Addrs: both("b")},
			{Namespace: "y", Name: "c", UID: "3", Addrs: both("c")},
		},
		Policies: policies,
	}
}

// with returns a selector of labels that have these values.
func with(pairs ...string) Selector {
	var s Selector
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		s.Requirements = append(s.Requirements, Requirement{Key: key, Operator: In, Values: []string{value}})
	}
	return s
}

func podsWith(pairs ...string) Peer {
	s := with(pairs...)
	return Peer{Pods: &s}
}

func namespacesWith(pairs ...string) Peer {
	s := with(pairs...)
	return Peer{Namespaces: &s}
}

func block(cidr string, except ...string) Peer {
	b := Block{CIDR: netip.MustParsePrefix(cidr)}
	for _, e := range except {
		b.Except = append(b.Except, netip.MustParsePrefix(e))
	}
	return Peer{Block: &b}
}

func rule(peers ...Peer) Rule { return Rule{Peers: peers, AllPorts: true} }

func (r Rule) on(ports ...Port) Rule {
	r.AllPorts, r.Ports = false, ports
	return r
}

func anybody() Rule { return Rule{AllPeers: true, AllPorts: true} }

// ingress returns x/NAME, which isolates pods of x.
func ingress(name string, pods Selector, rules ...Rule) Policy {
	return Policy{Namespace: "x", Name: name, Pods: pods, IsolatesIngress: true, Ingress: rules}
}

func egress(name string, pods Selector, rules ...Rule) Policy {
	return Policy{Namespace: "x", Name: name, Pods: pods, IsolatesEgress: true, Egress: rules}
}

// try judges connections, each like "a > b tcp/80: yes", in both families, with the end's name in addresses. The table
// decides alike, by packets of a tracer.
func try(t *testing.T, in Input, connections ...string) {
	t.Helper()
	w := newWire(t, in)
	for _, line := range connections {
		for _, family := range []string{"", "6"} {
			conn, want := parseTrial(t, line, family)
			d := Judge(in, conn)
			if d.Allowed != want {
				t.Errorf("%s%s: %v", line, family, d)
			}
			w.check(t, conn)
		}
	}
}

func parseTrial(t *testing.T, line, family string) (c Connection, want bool) {
	t.Helper()
	ends, answer, _ := strings.Cut(line, ": ")
	fields := strings.Fields(ends)
	if len(fields) != 4 || answer != "yes" && answer != "no" {
		t.Fatalf("%q is not like \"a > b tcp/80: yes\"", line)
	}
	protocol, port, _ := strings.Cut(fields[3], "/")
	number, err := strconv.ParseUint("0"+port, 10, 16)
	c = Connection{
		Client: addresses[fields[0]+family], Server: addresses[fields[2]+family], Protocol: Protocol(protocol),
		Port: uint16(number),
	}
	if err != nil || !c.Client.IsValid() || !c.Server.IsValid() {
		t.Fatalf("%q: no such port, or no such end", line)
	}
	return c, answer == "yes"
}

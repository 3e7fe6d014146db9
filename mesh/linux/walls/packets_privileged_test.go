package walls

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"warren.mesh/mesh"
	"warren.mesh/mesh/guard"
	"warren.mesh/mesh/policy"
	"warren.mesh/test/lab/namespace"
)

func selects(app string) policy.Selector {
	return policy.Selector{Requirements: []policy.Requirement{
		{Key: "app", Operator: policy.In, Values: []string{app}},
	}}
}

// policies isolate b and a as servers, and c as a client.
func policies() []policy.Policy {
	appA, appDB, nobody := selects("a"), selects("db"), selects("nobody")
	block4 := policy.Block{
		CIDR:   netip.MustParsePrefix("198.51.100.0/24"),
		Except: []netip.Prefix{netip.MustParsePrefix("198.51.100.200/32")},
	}
	return []policy.Policy{
		{
			Namespace: "x", Name: "db-in", Pods: appDB, IsolatesIngress: true,
			Ingress: []policy.Rule{
				{Peers: []policy.Peer{{Pods: &appA}, {Pods: &nobody}}, Ports: []policy.Port{
					{Protocol: policy.TCP, Number: 6379}, {Protocol: policy.TCP, Number: 6380},
					{Protocol: policy.UDP, Number: 53},
					{Protocol: policy.SCTP, Number: 3868}, {Protocol: policy.TCP, Name: "metrics"},
					{Protocol: policy.TCP, Number: 8004, End: 8006}, {Protocol: policy.TCP, Name: "none"},
				}},
				{
					Peers: []policy.Peer{{Block: &block4}},
					Ports: []policy.Port{{Protocol: policy.TCP, Number: 8000, End: 8010}},
				},
			},
		},
		{Namespace: "x", Name: "a-deny", Pods: appA, IsolatesIngress: true},
		{
			Namespace: "y", Name: "c-out", Pods: selects("c"), IsolatesEgress: true,
			Egress: []policy.Rule{{
				Peers: []policy.Peer{{Pods: &appDB, Namespaces: &policy.Selector{}}},
				Ports: []policy.Port{{Protocol: policy.TCP, Number: 6379}},
			}},
		},
	}
}

// policyNode is a node with three pods, policies for them, and a pod of another node.
func policyNode(t *testing.T, netfilter bool) *node {
	t.Helper()
	n := newNode(t, netfilter, podA, podB, podC)
	n.know(podA, podB, podC)
	n.in.Namespaces = []policy.Namespace{{Name: "x"}, {Name: "y"}}
	n.in.Nodes = []policy.Node{
		{Name: "n1", PodCIDRs: prefixes("10.244.1.0/24", "fd00:10:244:1::/64")},
		{Name: "n2", PodCIDRs: prefixes("10.244.2.0/24", "fd00:10:244:2::/64")},
	}
	n.in.Pods = append(n.in.Pods, policy.Pod{
		Namespace: "x", Name: "r", UID: "r", Node: "n2", Labels: policy.NewLabels(map[string]string{"app": "a"}),
		Addrs: []netip.Addr{remote4, remote6},
	})
	n.in.Policies = policies()
	n.sync()
	for _, where := range []string{"a", "b", "c", "remote", "node"} {
		n.serve(where, 53, 54, 80, 6379, 8005, 8011, 9100, 10250)
	}
	return n
}

// guard makes the table that keeps the mesh closed, as the daemon has it beside these, with the remote machine as the
// mesh.
func (n *node) guard() {
	n.t.Helper()
	if err := openGuard(n.t).Replace(n.t.Context(), guard.Layout(nodeFirewall())); err != nil {
		n.t.Fatal(err)
	}
}

func nodeFirewall() mesh.Firewall {
	return mesh.Firewall{
		Link: "eth0", Bridge: bridge, Port: 51820, Mark: 1 << 18,
		ClusterCIDRs: prefixes("10.244.0.0/16", "fd00:10:244::/48"),
		OwnCIDRs:     prefixes("10.244.1.0/24", "fd00:10:244:1::/64"), OwnIPs: []netip.Addr{addr("10.99.0.1")},
		NodeIPs: []netip.Addr{addr("10.99.0.1"), addr("10.99.0.2")},
	}
}

// forgetful makes the table of policies anew, with room for one connection that was let through.
func (n *node) forgetful() {
	n.t.Helper()
	state, _ := policy.Compile(n.in)
	for i, s := range state.Table.Sets {
		if strings.HasPrefix(s.Name, policy.Fresh) {
			state.Table.Sets[i].Size = 1
		}
	}
	n.make(state.Table)
}

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// try is a connection, and what becomes of it over IPv4 and over IPv6.
type try struct {
	what, from, network string
	to                  [2]netip.Addr
	port                uint16
	want                string
	source              netip.Addr
	// size is how many bytes are said, and answered; zero is one.
	size int
}

func (n *node) tryAll(tries []try) {
	n.t.Helper()
	var group sync.WaitGroup
	for _, c := range tries {
		for _, to := range c.to {
			if !to.IsValid() {
				continue
			}
			group.Go(func() {
				if got := n.ask(c, to); got != c.want {
					n.t.Errorf("%s: %s from %s to %v, port %d: %s, want %s",
						c.what, c.network, c.from, to, c.port, got, c.want)
				}
			})
		}
	}
	group.Wait()
}

func just(ip netip.Addr) [2]netip.Addr { return [2]netip.Addr{ip} }

func of(p pod) [2]netip.Addr { return [2]netip.Addr{p.v4(), p.v6()} }

var (
	remote  = [2]netip.Addr{remote4, remote6}
	gateway = [2]netip.Addr{gateway4, gateway6}
)

// TestPrivilegedPolicies holds the tables against what the policies say, with connections: between pods of one node,
// with other nodes, the outside and the node itself, with br_netfilter's hooks off, on, and toggled, beside the guard,
// and while no connection more is remembered.
func TestPrivilegedPolicies(t *testing.T) {
	n := policyNode(t, false)
	tries := []try{
		{what: "an allowed port", from: "a", network: "tcp", to: of(podB), port: 6379, want: answered},
		{what: "allowed UDP", from: "a", network: "udp", to: of(podB), port: 53, want: answered},
		{what: "another port", from: "a", network: "tcp", to: of(podB), port: 80, want: silent},
		{what: "another UDP port", from: "a", network: "udp", to: of(podB), port: 54, want: silent},
		{what: "a port of a range", from: "a", network: "tcp", to: of(podB), port: 8005, want: answered},
		{what: "a port behind the range", from: "a", network: "tcp", to: of(podB), port: 8011, want: silent},
		{what: "the named port", from: "a", network: "tcp", to: of(podB), port: 9100, want: answered},
		{what: "egress allows, ingress does not", from: "c", network: "tcp", to: of(podB), port: 6379, want: silent},
		{what: "not in its egress", from: "c", network: "tcp", to: of(podA), port: 80, want: silent},
		{what: "default deny", from: "b", network: "tcp", to: of(podA), port: 80, want: silent},
		{what: "isolated for egress only, answers", from: "a", network: "tcp", to: of(podC), port: 80, want: answered},
		{what: "isolated for ingress only, asks", from: "b", network: "tcp", to: remote, port: 80, want: answered},
		{what: "remote, allowed", from: "remote", network: "tcp", to: of(podB), port: 6379, want: answered},
		{what: "remote, another port", from: "remote", network: "tcp", to: of(podB), port: 80, want: silent},
		{what: "not in its egress", from: "c", network: "tcp", to: remote, port: 80, want: silent},
		{what: "a probe", from: "node", network: "tcp", to: of(podA), port: 80, want: answered},
		{what: "a probe of a client", from: "node", network: "tcp", to: of(podC), port: 80, want: answered},
		{what: "own node", from: "a", network: "tcp", to: gateway, port: 10250, want: answered},
		{what: "own node, not in its egress", from: "c", network: "tcp", to: gateway, port: 10250, want: silent},
		{
			what: "a link-local probe", from: "node", network: "tcp", to: just(n.local("node", podA.mac())), port: 80,
			want: answered,
		},
		{what: "a closed port's reset", from: "a", network: "tcp", to: remote, port: 9999, want: refused},
		{
			what: "in fragments, allowed", from: "a", network: "udp", to: of(podB), port: 53, size: 4000,
			want: answered,
		},
		{
			what: "in fragments, another port", from: "a", network: "udp", to: of(podB), port: 54, size: 4000,
			want: silent,
		},
		{
			what: "in fragments, remote", from: "remote", network: "udp", to: of(podB), port: 53, size: 4000,
			want: answered,
		},
		{
			what: "in fragments, not in its egress", from: "c", network: "udp", to: remote, port: 53, size: 4000,
			want: silent,
		},
		{what: "a closed port's ICMP error", from: "a", network: "udp", to: remote, port: 9999, want: refused},
	}
	for _, s := range []struct {
		source string
		port   uint16
		want   string
	}{
		{"10.244.2.3", 6379, silent}, {"198.51.100.5", 80, silent}, {"198.51.100.5", 8005, answered},
		{"198.51.100.5", 8011, silent}, {"198.51.100.200", 8005, silent},
	} {
		tries = append(tries, try{
			what: "from " + s.source, from: "remote", network: "tcp", to: [2]netip.Addr{podB.v4()}, port: s.port,
			want: s.want, source: addr(s.source),
		})
	}
	for _, p := range []pod{podA, podC} { // which nobody isolates as a client, and which a policy does
		own := n.local(p.name, p.mac())
		tries = append(tries,
			try{
				what: "own node, link-local", from: p.name, network: "tcp", to: just(n.local(p.name, bridgeMAC)),
				port: 10250, want: silent,
			},
			try{
				what: "own node, from link-local", from: p.name, network: "tcp", to: just(gateway6), port: 10250,
				want: silent, source: own,
			})
	}
	n.guard()
	for _, netfilter := range []bool{false, true, false} {
		n.bridgeNetfilter(netfilter)
		n.tryAll(tries)
	}
	n.forgetful()
	n.tryAll(tries)
	refusals, err := n.Refused(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Refusal{
		{Client: podA.v4(), Server: podB.v4(), Protocol: "tcp", Port: 80},
		{Client: podA.v6(), Server: podB.v6(), Protocol: "udp", Port: 54},
	} {
		if !found(refusals, want) {
			t.Errorf("%+v is not among the refusals: %+v", want, refusals)
		}
	}
	counters, err := n.PolicyCounters(t.Context())
	if err != nil || counters["denied-ingress"] == 0 || counters["denied-egress"] == 0 || counters["spoofed"] != 0 {
		t.Errorf("counters %v, %v", counters, err)
	}
}

func found(all []Refusal, want Refusal) bool {
	for _, r := range all {
		want.Packets = r.Packets
		if r == want && r.Packets > 0 {
			return true
		}
	}
	return false
}

// TestPrivilegedServices has pods ask Services, as kube-proxy translates them, whose endpoints are on their own node,
// with br_netfilter's hooks off and on, beside a firewall that forwards nothing by itself.
func TestPrivilegedServices(t *testing.T) {
	for name, netfilter := range map[string]bool{"br_netfilter off": false, "br_netfilter on": true} {
		t.Run(name, func(t *testing.T) {
			n := policyNode(t, netfilter)
			namespace.Run(t, `nft add table inet proxy
nft add chain inet proxy services { type nat hook prerouting priority dstnat; }
nft add rule inet proxy services ip daddr 10.96.0.10 tcp dport 80 dnat ip to 10.244.1.3:6379
nft add rule inet proxy services ip6 daddr fd00:10:96::10 tcp dport 80 dnat ip6 to [fd00:10:244:1::3]:6379
nft add rule inet proxy services ip daddr 10.96.0.11 tcp dport 80 dnat ip to 10.244.1.4:80
nft add rule inet proxy services ip daddr 10.96.0.12 tcp dport 80 dnat ip to 10.244.2.2:80
nft add rule inet proxy services ip6 daddr fd00:10:96::13 tcp dport 80 dnat ip6 to [fd00:10:244:1::1]:10250
nft add chain inet proxy masq { type nat hook postrouting priority srcnat; }
nft add rule inet proxy masq ip saddr 10.244.1.4 ip daddr 10.244.1.4 masquerade
nft add table inet firewall
nft add chain inet firewall forward { type filter hook forward priority 0; policy drop; }
nft add rule inet firewall forward iifname warren-br0 accept
nft add rule inet firewall forward oifname warren-br0 accept`)
			service := func(last byte) [2]netip.Addr { return [2]netip.Addr{netip.AddrFrom4([4]byte{10, 96, 0, last})} }
			host := just(addr("fd00:10:96::13"))
			n.tryAll([]try{
				{
					what: "an endpoint on the same node", from: "a", network: "tcp",
					to: [2]netip.Addr{service(10)[0], addr("fd00:10:96::10")}, port: 80, want: answered,
				},
				{what: "the endpoint refuses", from: "c", network: "tcp", to: service(10), port: 80, want: silent},
				{what: "not in its egress", from: "c", network: "tcp", to: service(12), port: 80, want: silent},
				{what: "a pod and itself", from: "c", network: "tcp", to: service(11), port: 80, want: answered},
				{what: "the node behind it", from: "a", network: "tcp", to: host, port: 80, want: answered},
				{what: "not in its egress", from: "c", network: "tcp", to: host, port: 80, want: silent},
				{
					what: "from link-local", from: "a", network: "tcp", to: host, port: 80, want: silent,
					source: n.local("a", podA.mac()),
				},
				{
					what: "from link-local", from: "c", network: "tcp", to: host, port: 80, want: silent,
					source: n.local("c", podC.mac()),
				},
			})
		})
	}
}

// TestPrivilegedUnknownPod holds pods closed of which nothing is known: they get nothing from pods, and reach nobody.
func TestPrivilegedUnknownPod(t *testing.T) {
	n := policyNode(t, false)
	n.attach(podD)
	n.attach(podE)
	n.serve("d", 80)
	n.serve("e", 80)
	n.sync() // as the daemon does when the bridge has other ports
	tries := []try{
		{what: "to it", from: "a", network: "tcp", to: of(podD), port: 80, want: silent},
		{what: "to another one", from: "d", network: "tcp", to: of(podE), port: 80, want: silent},
		{what: "to a pod that nobody isolates", from: "d", network: "tcp", to: of(podC), port: 80, want: silent},
		{what: "to another node", from: "d", network: "tcp", to: remote, port: 80, want: silent},
		{what: "to its own node", from: "d", network: "tcp", to: gateway, port: 10250, want: silent},
	}
	n.tryAll(tries)
	counters, err := n.PolicyCounters(t.Context())
	if err != nil || counters["unknown"] == 0 {
		t.Errorf("counters %v, %v", counters, err)
	}
	n.know(podD, podE)
	n.sync()
	// Who asked for a hardware address in vain fails all that waits for it three seconds after the first question, also
	// what comes after the last one: on a slow machine, the next tries.
	n.run("node", "ip neighbor flush dev warren-br0")
	for _, where := range []string{"a", "d", "e"} {
		n.run(where, "ip neighbor flush dev eth0")
	}
	for i := range tries {
		tries[i].want = answered
	}
	n.tryAll(tries)
}

// TestPrivilegedWithdrawal ends with a policy what it had let in, in both directions, and lets it go on when the policy
// is back.
func TestPrivilegedWithdrawal(t *testing.T) {
	n := policyNode(t, false)
	for _, network := range []string{"tcp", "udp"} {
		port := map[string]uint16{"tcp": 6379, "udp": 53}[network]
		for _, to := range of(podB) {
			var c net.Conn
			err := n.ns["a"].Do(func() (err error) {
				c, err = net.Dial(network, netip.AddrPortFrom(to, port).String())
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			kept := n.in.Policies
			for i, step := range []struct {
				policies []policy.Policy
				want     string
			}{{kept, answered}, {withoutIngress(kept), silent}, {kept, answered}} {
				n.in.Policies = step.policies
				n.sync()
				if got := say(c, step.want, 1); got != step.want {
					t.Errorf("%s to %v, step %d: %s, want %s", network, to, i, got, step.want)
				}
			}
		}
	}
}

func withoutIngress(all []policy.Policy) []policy.Policy {
	changed := append([]policy.Policy{}, all...)
	changed[0].Ingress = nil
	return changed
}

// TestPrivilegedForget deletes the connections of one address, those that are translated to it too, and leaves the
// others.
func TestPrivilegedForget(t *testing.T) {
	n := policyNode(t, false)
	namespace.Run(t, `nft add table inet hostports
nft add chain inet hostports to-pods { type nat hook prerouting priority dstnat; }
nft add rule inet hostports to-pods ip daddr 10.99.0.1 udp dport 5301 dnat ip to 10.244.1.3:53
nft add rule inet hostports to-pods ip6 daddr fd00:99::1 udp dport 5301 dnat ip6 to [fd00:10:244:1::3]:53
nft add rule inet hostports to-pods ip daddr 10.99.0.1 udp dport 5302 dnat ip to 10.244.1.4:53
nft add rule inet hostports to-pods ip6 daddr fd00:99::1 udp dport 5302 dnat ip6 to [fd00:10:244:1::4]:53`)
	tries := []try{
		{what: "allowed", from: "a", network: "udp", to: of(podB), port: 53, want: answered},
		{what: "nobody isolates", from: "a", network: "udp", to: of(podC), port: 53, want: answered},
	}
	for _, from := range remote {
		host := addr("10.99.0.1")
		if from.Is6() {
			host = addr("fd00:99::1")
		}
		tries = append(tries,
			try{what: "a host port", from: "remote", network: "udp", to: just(host), port: 5301, want: answered,
				source: from},
			try{what: "another's host port", from: "remote", network: "udp", to: just(host), port: 5302,
				want: answered, source: from})
	}
	n.tryAll(tries)
	// Only the answers of a translated connection have the pod's address.
	for _, known := range connections(t) {
		if !strings.Contains(known, "dport=5301 ") || !strings.Contains(known, "dport=5302 ") {
			t.Errorf("a host port's connection is not there:\n%s", known)
		}
	}
	if err := n.Forget(podB.port().Addrs); err != nil {
		t.Fatal(err)
	}
	for i, left := range connections(t) {
		if strings.Contains(left, "="+of(podB)[i].String()+" ") || strings.Contains(left, "dport=5301 ") {
			t.Errorf("of the address there is left:\n%s", left)
		}
		if !strings.Contains(left, "dst="+of(podC)[i].String()+" ") || !strings.Contains(left, "dport=5302 ") {
			t.Errorf("of another's address there is left only:\n%s", left)
		}
	}
}

// connections are those of UDP that conntrack has, over IPv4 and over IPv6.
func connections(t *testing.T) (all [2]string) {
	t.Helper()
	for i, family := range []string{"ipv4", "ipv6"} {
		all[i] = namespace.Run(t, "conntrack -L -p udp -f "+family)
	}
	return all
}

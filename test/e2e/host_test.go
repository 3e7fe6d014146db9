package e2e

import (
	"net/netip"
	"testing"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// hosts is a dual-stack scene with Services and a host port in front of its pods.
type hosts struct {
	*scene
	variant
	// one, two and three are the nodes; a and b are node1's pods, near and far are on node2 and node3.
	one, two, three *lab.Node
	a, b, near, far *lab.Pod
	// web is on node1, behind hostPort.
	web *lab.Pod

	// plain leads to far and leaves sources alone where it may, masqueraded does not; hostNetwork leads to node3
	// itself, own to node1/a, with externalTrafficPolicy: Local.
	plain, masqueraded, hostNetwork, own service
}

// variant is what the cases should not depend on.
type variant struct {
	name   string
	filter lab.RPFilter
	// proxyFirst puts kube-proxy's chains before warren's: of NAT chains with the same priority, the kernel begins
	// with the one that was there first.
	proxyFirst bool
	daemonArgs []string
}

// variants are two labs with every value once. Where the cluster's ranges are not configured, a node knows only its own
// and its peers'.
var variants = []variant{
	{name: "loose", filter: lab.Loose, daemonArgs: []string{"--cluster-cidrs="}},
	{name: "strict", filter: lab.Strict, proxyFirst: true},
}

// hostPort is web's, for its EchoPort.
const hostPort = 8088

func newHosts(t *testing.T, m variant) *hosts {
	t.Helper()
	h := &hosts{variant: m}
	h.scene = newScene(t, lab.Options{Family: lab.Dual, RPFilter: m.filter}, m.daemonArgs...)
	h.one, h.two, h.three = h.Node(1), h.Node(2), h.Node(3)
	h.a, h.b, h.near, h.far = h.pods[0], h.pods[1], h.pods[2], h.pods[4]
	h.web = h.one.AddPod(t, "web",
		lab.HostPort{Host: hostPort, Container: traffic.EchoPort}, lab.HostPort{Host: hostPort,
			Container: traffic.EchoPort, Protocol: "udp"})
	h.plain = service{number: 1, endpoint: h.far.Host}
	h.masqueraded = service{number: 2, endpoint: h.far.Host, masquerade: true}
	h.hostNetwork = service{number: 3, endpoint: h.three.Host}
	h.own = service{number: 4, endpoint: h.a.Host, local: true}
	startProxy(t, h.Lab, h.plain, h.masqueraded, h.hostNetwork, h.own)
	if m.proxyFirst {
		h.renewFirewalls(t)
	}
	return h
}

// renewFirewalls makes every daemon create its table anew, behind the tables that others have made meanwhile.
func (h *hosts) renewFirewalls(t *testing.T) {
	t.Helper()
	for _, n := range h.Nodes() {
		n.MustExec(t, "nft", "delete", "table", "inet", "warren")
	}
	for _, n := range h.Nodes() {
		lab.Wait(t, patience, "the firewall of "+n.Name, func() error {
			_, err := n.Exec("nft", "list", "table", "inet", "warren")
			return err
		})
	}
}

// families calls f for each address family, with an address of it.
func (h *hosts) families(t *testing.T, f func(t *testing.T, like netip.Addr)) {
	t.Helper()
	for _, like := range h.one.Addrs() {
		name := "ipv4"
		if like.Is6() {
			name = "ipv6"
		}
		t.Run(name, func(t *testing.T) { f(t, like) })
	}
}

// only is a case of one variant: what it tries does not depend on them, and it sends much.
func only(variant string, test func(*testing.T, *hosts)) func(*testing.T, *hosts) {
	return func(t *testing.T, h *hosts) {
		if h.name == variant {
			test(t, h)
		}
	}
}

// TestPrivilegedHost is about nodes as hosts: what they, their addresses and kube-proxy's translations need of the mesh
// beyond pod to pod.
func TestPrivilegedHost(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	cases := []struct {
		name string
		test func(*testing.T, *hosts)
	}{
		{"services", testServices},
		{"services-flows", testServiceFlows},
		{"first-packets", only("strict", testFirstPackets)},
		{"policies-change", only("loose", testPoliciesChange)},
		{"identities", testIdentities},
		{"gateway", testGateway},
		{"foreign-source", testForeignSource},
		{"others-route", testRouting},
		{"obstacle", testObstacle},
		{"earlier-version", testEarlierVersion},
		{"spoofed-source", testSpoofedSource},
		{"injected", func(t *testing.T, h *hosts) { h.wantNoneIn(t) }},
		{"wireguard-port", testWireGuardPort},
		{"wireguard-inside", testWireGuardInside},
		{"wireguard-host-port", testWireGuardHostPort},
		{"iptables", testIPTables},
		{"other-firewall", testOtherFirewall},
		{"bulk", testBulk},
		{"stale-addresses", only("loose", testStaleAddresses)},
		// The last one: it deletes web.
		{"host-port", testHostPort},
		{"host-ports-flushed", testHostPortsFlushed},
	}
	for _, m := range variants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			h := newHosts(t, m)
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) { c.test(t, h) })
			}
		})
	}
}

package guard

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
)

func TestPrivilegedPackets(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	w.replace(t, dualFirewall())
	for _, f := range families() {
		for _, c := range crossings() {
			c.name = f.name + ": " + c.name
			w.crosses(t, f, c)
		}
		w.forgesFragment(t, f)
	}
}

func TestPrivilegedPacketsStrict(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	w.node.run(t, "sysctl -qw net.ipv4.conf.all.rp_filter=1")
	w.replace(t, dualFirewall())
	for _, f := range families() {
		for _, c := range crossings() {
			if c.counted == spoofedByPod || c.counted == spoofedOnUnderlay || c.counted == plainToPod {
				w.crosses(t, f, c)
			}
		}
	}
}

func TestPrivilegedNodeCIDRs(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	fw := dualFirewall()
	fw.NodeCIDRs = prefixes("172.31.9.0/24", "fd00:9::/64")
	w.replace(t, fw)
	for _, f := range families() {
		w.crosses(t, f, crossing{
			name: "pod to an address in a node CIDR",
			from: "pod", packet: "pod:5000 > unlisted:7", counted: leakNode,
		})
	}
}

// TestPrivilegedPlainFrom: what is exempt reaches pods, here and through the mesh, and their answers go back; a mesh
// node is not exempt.
func TestPrivilegedPlainFrom(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	w.replace(t, plainFirewall())
	for _, f := range families() {
		for _, c := range plainCrossings() {
			c.name = f.name + ": " + c.name
			w.crosses(t, f, c)
		}
		client, pod := w.underlay.udp(t, f.outside, 5001), w.pod.udp(t, f.pod, 7)
		write(t, client, netip.AddrPortFrom(f.pod, 7))
		if from := receive(t, pod); from != netip.AddrPortFrom(f.outside, 5001) {
			t.Errorf("%s: the pod saw %v", f.name, from)
		}
		write(t, pod, netip.AddrPortFrom(f.outside, 5001))
		if from := receive(t, client); from != netip.AddrPortFrom(f.pod, 7) {
			t.Errorf("%s: the answer came from %v", f.name, from)
		}
		w.finish(t, f)
		w.inMesh.until(t, f.name)
		answer := effect{Underlay: w.onUnderlay.until(t, f.name)}
		if diff := cmp.Diff(effect{Underlay: f.packets("17 pod:7 > outside:5001")}, answer); diff != "" {
			t.Errorf("%s: the answer (-want +got):\n%s", f.name, diff)
		}
	}
}

// TestPrivilegedNoBridge sends to a pod of this node while its bridge is down, with the least configuration.
func TestPrivilegedNoBridge(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	w.node.run(t, "ip link set warren-br0 down")
	w.replace(t, firewalls()["no-cluster-cidrs"])
	want := w.counters(t)
	for _, f := range families() {
		w.mesh.send(t, f.remotePod, 5000, f.pod, 7)
		w.mesh.send(t, f.remotePod, 5000, f.outside, 9)
		if seen := w.onUnderlay.until(t, f.name); len(seen) > 0 {
			t.Errorf("%s: on the underlay: %q", f.name, seen)
		}
		want[leakPod]++
	}
	if diff := cmp.Diff(want, w.counters(t)); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

// TestPrivilegedNeighbours sends from pod to pod over the bridge, which is not translated with br_netfilter either.
func TestPrivilegedNeighbours(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	w.replace(t, firewalls()["no-cluster-cidrs"])
	for _, f := range families() {
		neighbour := w.neighbour.udp(t, f.neighbour, 7)
		w.pod.send(t, f.pod, 5000, f.neighbour, 7)
		if from := receive(t, neighbour); from != netip.AddrPortFrom(f.pod, 5000) {
			t.Errorf("%s: the neighbour saw %v", f.name, from)
		}
	}
}

// TestPrivilegedOwnSource keeps this node's pods' addresses off the underlay with the least configuration too, both
// ways.
func TestPrivilegedOwnSource(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	w.replace(t, firewalls()["no-cluster-cidrs"])
	for _, f := range families() {
		w.crosses(t, f, crossing{
			name: f.name + ": pod to the outside, unknown to connection tracking",
			from: "pod", packet: "pod:5000 > outside:7", invalid: true, counted: leakSource,
		})
		w.crosses(t, f, crossing{
			name: f.name + ": spoofed on the underlay, in the name of a pod of this node",
			from: "underlay", packet: "neighbour:5000 > node:7", counted: spoofedOnUnderlay,
		})
	}
}

// TestPrivilegedKubeProxy: what kube-proxy has marked is left to it.
func TestPrivilegedKubeProxy(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	w.node.run(t, `
nft add table inet kube-proxy
nft add chain inet kube-proxy services { type filter hook forward priority 0; }
nft add rule inet kube-proxy services udp dport 7 meta mark set meta mark or 0x4000
nft add chain inet kube-proxy translate { type nat hook postrouting priority 101; }
nft add rule inet kube-proxy translate meta mark and 0x4000 != 0 snat ip to 203.0.113.5
nft add rule inet kube-proxy translate meta mark and 0x4000 != 0 snat ip6 to 2001:db8:5::5
`)
	w.replace(t, dualFirewall())
	for _, f := range families() {
		w.crosses(t, f, crossing{
			name: f.name + ": pod to the outside, marked", mark: 0x4000, source: "secondary:5000",
			from: "pod", packet: "pod:5000 > outside:7", underlay: "17 secondary:5000 > outside:7",
		})
	}
}

// TestPrivilegedUnaddressed: what a pod sends before it has an address, or to find its neighbours, is not spoofed.
func TestPrivilegedUnaddressed(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	w.replace(t, dualFirewall())
	want := w.counters(t)

	neighbour := w.node.udp(t, netip.IPv6Unspecified(), 7000)
	write(t, w.pod.udp(t, netip.IPv6Unspecified(), 0), netip.MustParseAddrPort("[ff02::1%eth0]:7000"))
	if from := receive(t, neighbour); !from.Addr().IsLinkLocalUnicast() {
		t.Errorf("a packet to all neighbours came from %v, want a link-local address", from)
	}
	server := w.node.udp(t, netip.IPv4Unspecified(), 67)
	w.pod.broadcast(t, "eth0", discover)
	if from := receive(t, server); from.Addr() != netip.IPv4Unspecified() {
		t.Errorf("a DHCP client's packet came from %v", from)
	}
	if diff := cmp.Diff(want, w.counters(t)); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

// TestPrivilegedEgress sends from a pod to the outside and back, from WireGuard's port too.
func TestPrivilegedEgress(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	for _, port := range []uint16{51820, 40000} {
		fw := dualFirewall()
		fw.Port = port
		w.node.enter(t)
		w.replace(t, fw)
		for _, f := range families() {
			outside, pod := w.underlay.udp(t, f.outside, port), w.pod.udp(t, f.pod, port)
			write(t, pod, netip.AddrPortFrom(f.outside, port))
			from := receive(t, outside)
			if from.Addr() != f.node || from.Port() == port {
				t.Errorf("%s: the outside saw %v, want %v and another port than %d", f.name, from, f.node, port)
			}
			write(t, outside, from)
			if got := receive(t, pod); got != netip.AddrPortFrom(f.outside, port) {
				t.Errorf("%s: the pod's answer came from %v", f.name, got)
			}
		}
	}
}

// TestPrivilegedHostPort: what comes in on the underlay goes back over it, what comes out of the mesh goes back
// into it, under strict reverse path checks.
func TestPrivilegedHostPort(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	w.node.run(t, `
nft add table inet portmap
nft add chain inet portmap hostport { type nat hook prerouting priority -100; }
nft add rule inet portmap hostport udp dport 8080 dnat ip to 10.244.1.2:80
nft add rule inet portmap hostport udp dport 8080 dnat ip6 to [fd00:10:244:1::2]:80
`)
	w.routeStrictly(t)
	w.replace(t, dualFirewall())
	w.exchange(t)
	for _, f := range families() {
		for _, e := range exchanges() {
			if got := e.predict(t, w.tracer, f); got != e.want(f) {
				t.Errorf("%s, %s: the tracer says %v, want %v", f.name, e.name, got, e.want(f))
			}
		}
	}
}

// TestPrivilegedIPVS is the same with kube-proxy's IPVS mode in the place of a translation by nftables. IPVS takes the
// request in the input hook, so connection tracking never calls it translated, and no chain marks it. It does not have
// to: IPVS looks up the way of an answer anew, once that has the service's address as source
// (net.ipv4.vs.snat_reroute), and no rule for pods' addresses applies to that one.
func TestPrivilegedIPVS(t *testing.T) {
	meshtest.Privileged(t)
	if os.Getenv("WARREN_IPVS") == "" {
		t.Log("WARREN_IPVS is not set: this kernel may have no IPVS")
		return
	}
	w := newTopology(t)
	w.node.run(t, "sysctl -qw net.ipv4.vs.conntrack=1") // as kube-proxy sets it
	for _, f := range families() {
		for _, e := range exchanges() {
			w.balance(t, f.endpoint(e.to), f.endpoint("pod:80"))
		}
	}
	w.routeStrictly(t)
	w.replace(t, dualFirewall())
	w.exchange(t)
	tracked := w.node.run(t, "conntrack -L -p udp --orig-port-dst 8080")
	if n := strings.Count(tracked, " mark=0 "); n != len(families())*len(exchanges()) {
		t.Errorf("%d connections are not marked, want all:\n%s", n, tracked)
	}

	w.node.run(t, "sysctl -qw net.ipv4.vs.snat_reroute=0")
	f := families()[0]
	w.balance(t, f.endpoint("node:8081"), f.endpoint("pod:81"))
	pod, client := w.pod.udp(t, f.pod, 81), w.underlay.udp(t, f.otherNode, 5002)
	write(t, client, f.endpoint("node:8081"))
	write(t, pod, receive(t, pod))
	w.finish(t, f)
	answers := w.onUnderlay.until(t, f.name)
	if slices.Contains(answers, f.packets("17 node:8081 > otherNode:5002")[0]) {
		t.Errorf("an answer goes over the underlay without another lookup: %q", answers)
	}
}

// balance has IPVS send what comes to a service to a server, as kube-proxy does.
func (w *topology) balance(t *testing.T, service, server netip.AddrPort) {
	t.Helper()
	w.node.run(t, `
ipvsadm --add-service --udp-service %[1]v --scheduler rr
ipvsadm --add-server --udp-service %[1]v --real-server %[2]v --masquerading
`, service, server)
}

// routeStrictly has the node's routes and rules for the answers of exchanges, and strict reverse path checks.
func (w *topology) routeStrictly(t *testing.T) {
	t.Helper()
	w.node.run(t, `
sysctl -qw net.ipv4.conf.all.rp_filter=1
sysctl -qw net.ipv4.conf.all.src_valid_mark=1
`)
	for v, pods := range map[string]string{"-4": "10.244.1.0/24", "-6": "fd00:10:244:1::/64"} {
		w.node.run(t, `
ip %[1]s rule add pref 50 fwmark 0x800000/0x800000 lookup main
ip %[1]s rule add pref 50 from %[2]s lookup 8788
ip %[1]s rule add pref 50 iif warren0 lookup 8788
`, v, pods)
	}
	for _, f := range families() {
		for _, ip := range []netip.Addr{f.otherNode, f.thirdNode} {
			w.node.run(t, "ip route add %v dev warren0 table 8788", ip)
		}
	}
}

// exchange makes all exchanges, and wants no packet of them dropped.
func (w *topology) exchange(t *testing.T) {
	t.Helper()
	before := w.counters(t)
	for _, f := range families() {
		pod := w.pod.udp(t, f.pod, 80)
		for _, e := range exchanges() {
			from, to := f.endpoint(e.from), f.endpoint(e.to)
			client := w.place(e.client).udp(t, from.Addr(), from.Port())
			write(t, client, to)
			got := seen{ByPod: receive(t, pod)}
			write(t, pod, got.ByPod)
			got.ByClient = receive(t, client)
			if got != e.want(f) {
				t.Errorf("%s, %s: seen %v, want %v", f.name, e.name, got, e.want(f))
			}
		}
	}
	if diff := cmp.Diff(before, w.counters(t)); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

package guard

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"warren.mesh/mesh"
	"warren.mesh/mesh/nft"
	"warren.mesh/mesh/nft/nfttest"
	"warren.mesh/test/lab/namespace"
)

// topology is a node in the middle of other namespaces: two pods behind the bridge; the underlay, with another node and
// an address of the outside; and, behind a veth pair that stands in for the WireGuard link, a pod and the address of a
// third node. The other node on the underlay has the remote pod's address as well, and the neighbour's, to send from.
// Everything comes in both families.
type topology struct {
	node, pod, neighbour, underlay, mesh place
	*nft.Table
	// tracer follows virtual packets through the layout in force.
	tracer *nfttest.Tracer
	// onUnderlay and inMesh see what leaves the node.
	onUnderlay, inMesh inbound
}

// family is the addresses of one address family.
type family struct {
	name string
	// raw is the network of a raw TCP socket, as net.ListenIP takes it.
	raw string
	// pod, neighbour, gateway and node are this node's; spoofed is on the pod, and no pod's; secondary is on the node;
	// container is of another network on the node, which is none of warren's business.
	pod, neighbour, spoofed, gateway, node, secondary, container netip.Addr
	// otherNode and outside are on the underlay, unlisted too, but in no set of nodes.
	otherNode, outside, unlisted netip.Addr
	// remotePod, which is on the underlay as well, farPod and thirdNode are in the mesh; lostPod is of a node that has
	// no route.
	remotePod, farPod, thirdNode, lostPod netip.Addr
}

func families() []family {
	ip := netip.MustParseAddr
	return []family{
		{"IPv4", "ip4:tcp",
			ip("10.244.1.2"), ip("10.244.1.3"), ip("10.244.9.9"), ip("10.244.1.1"),
			ip("172.31.9.1"), ip("203.0.113.5"), ip("192.168.5.2"),
			ip("172.31.9.2"), ip("198.51.100.1"), ip("172.31.9.77"),
			ip("10.244.2.2"), ip("10.244.2.3"), ip("172.31.9.3"), ip("10.244.7.7")},
		{"IPv6", "ip6:tcp",
			ip("fd00:10:244:1::2"), ip("fd00:10:244:1::3"), ip("fd00:10:244:9::9"), ip("fd00:10:244:1::1"),
			ip("fd00:9::1"), ip("2001:db8:5::5"), ip("fd00:5::2"),
			ip("fd00:9::2"), ip("2001:db8::1"), ip("fd00:9::77"),
			ip("fd00:10:244:2::2"), ip("fd00:10:244:2::3"), ip("fd00:9::3"), ip("fd00:10:244:7::7")},
	}
}

func newTopology(t *testing.T) *topology {
	t.Helper()
	w := &topology{}
	for _, n := range []*place{&w.pod, &w.neighbour, &w.underlay, &w.mesh, &w.node} {
		*n = newPlace(t)
		namespace.Quiet(t)
	}
	w.node.run(t, `
ip link add eth0 type veth peer name eth0 netns %s
ip link add warren0 type veth peer name far0 netns %s
ip link add warren-br0 type bridge
ip link add veth0 type veth peer name eth0 netns %s
ip link add other0 type veth peer name other0 netns %s
ip link add veth1 type veth peer name eth0 netns %s
ip link set veth0 master warren-br0
ip link set veth1 master warren-br0
ip link set veth1 up
ip addr add 172.31.9.1/24 dev eth0
ip addr add fd00:9::1/64 dev eth0 nodad
ip addr add 203.0.113.5/32 dev lo
ip addr add 2001:db8:5::5/128 dev lo nodad
ip addr add 10.244.1.1/32 dev warren0
ip addr add fd00:10:244:1::1/128 dev warren0 nodad
ip addr add 10.244.1.1/24 dev warren-br0
ip addr add fd00:10:244:1::1/64 dev warren-br0 nodad
ip link set eth0 up
ip link set warren0 up
ip link set veth0 up
ip link set warren-br0 up
ip addr add 192.168.5.1/24 dev other0
ip addr add fd00:5::1/64 dev other0 nodad
ip link set other0 up
`, w.underlay.Path(), w.mesh.Path(), w.pod.Path(), w.pod.Path(), w.neighbour.Path())
	w.pod.run(t, `
ip addr add 10.244.1.2/24 dev eth0
ip addr add 10.244.9.9/32 dev eth0
ip addr add fd00:10:244:1::2/64 dev eth0 nodad
ip addr add fd00:10:244:9::9/128 dev eth0 nodad
ip link set eth0 up
ip route add default via 10.244.1.1
ip route add default via fd00:10:244:1::1
ip addr add 192.168.5.2/24 dev other0
ip addr add fd00:5::2/64 dev other0 nodad
ip link set other0 up
ip rule add from 192.168.5.2 lookup 5
ip route add default via 192.168.5.1 table 5
ip -6 rule add from fd00:5::2 lookup 5
ip route add default via fd00:5::1 table 5
`)
	w.neighbour.run(t, `
ip addr add 10.244.1.3/24 dev eth0
ip addr add fd00:10:244:1::3/64 dev eth0 nodad
ip link set eth0 up
`)
	w.underlay.run(t, `
ip addr add 172.31.9.2/24 dev eth0
ip addr add 172.31.9.77/24 dev eth0
ip addr add fd00:9::2/64 dev eth0 nodad
ip addr add fd00:9::77/64 dev eth0 nodad
ip addr add 198.51.100.1/32 dev lo
ip addr add 2001:db8::1/128 dev lo nodad
ip addr add 10.244.2.2/32 dev lo
ip addr add fd00:10:244:2::2/128 dev lo nodad
ip addr add 10.244.1.3/32 dev lo
ip addr add fd00:10:244:1::3/128 dev lo nodad
ip link set eth0 up
ip route add 10.244.1.2 via 172.31.9.1
ip route add fd00:10:244:1::2 via fd00:9::1
ip route add 10.244.1.1 via 172.31.9.1
ip route add fd00:10:244:1::1 via fd00:9::1
ip route add 10.244.2.3 via 172.31.9.1
ip route add fd00:10:244:2::3 via fd00:9::1
`)
	w.mesh.run(t, `
ip addr add 10.244.2.2/32 dev far0
ip addr add fd00:10:244:2::2/128 dev far0 nodad
ip addr add 10.244.2.3/32 dev far0
ip addr add fd00:10:244:2::3/128 dev far0 nodad
ip addr add 172.31.9.3/32 dev far0
ip addr add fd00:9::3/128 dev far0 nodad
ip link set far0 up
ip route add 10.244.1.1 dev far0
ip route add fd00:10:244:1::1 dev far0
ip route add default via 10.244.1.1 src 10.244.2.2
ip route add default via fd00:10:244:1::1 src fd00:10:244:2::2
`)
	w.node.run(t, `
ip route add 10.244.2.0/24 dev warren0 src 10.244.1.1
ip route add fd00:10:244:2::/64 dev warren0 src fd00:10:244:1::1
ip route add default via 172.31.9.2
ip route add default via fd00:9::2
`)
	w.onUnderlay, w.inMesh = w.underlay.capture(t, "eth0"), w.mesh.capture(t, "far0")
	for _, f := range families() { // neighbours get to know each other, before anything is counted
		w.finish(t, f)
		w.onUnderlay.until(t, f.name)
		w.inMesh.until(t, f.name)
	}
	w.node.enter(t)
	w.Table = openTable(t)
	return w
}

// replace puts the table for fw in force on the node, and in the tracer.
func (w *topology) replace(t *testing.T, fw mesh.Firewall) {
	t.Helper()
	w.node.enter(t)
	if err := w.Replace(t.Context(), Layout(fw)); err != nil {
		t.Fatal(err)
	}
	w.tracer = tracerOf(t, fw)
}

// send sends the crossing's packet.
func (w *topology) send(t *testing.T, f family, c crossing) {
	t.Helper()
	from, to := c.ends(f)
	if c.first != "" {
		first, last := fragments(from, to, "warren warren warren")
		w.place(c.first).sendRaw(t, to.Addr(), first)
		w.place(c.from).sendRaw(t, to.Addr(), last)
		return
	}
	if c.invalid {
		w.place(c.from).sendInvalid(t, f, from, to)
		return
	}
	w.place(c.from).send(t, from.Addr(), from.Port(), to.Addr(), to.Port())
}

func (w *topology) place(name string) place {
	return map[string]place{"pod": w.pod, "node": w.node, "underlay": w.underlay, "mesh": w.mesh}[name]
}

// sendInvalid sends a TCP header with SYN and RST.
func (n place) sendInvalid(t *testing.T, f family, from, to netip.AddrPort) {
	t.Helper()
	n.enter(t)
	conn, err := net.ListenIP(f.raw, &net.IPAddr{IP: from.Addr().AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	header := []byte{
		byte(from.Port() >> 8), byte(from.Port()), byte(to.Port() >> 8), byte(to.Port()),
		0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, 0x02 | 0x04, 0, 0, 0, 0, 0, 0,
	}
	if _, err := conn.WriteTo(header, &net.IPAddr{IP: to.Addr().AsSlice()}); err != nil {
		t.Fatal(err)
	}
}

// finish sends the last packets: from the pod, on the longest way to both captures.
func (w *topology) finish(t *testing.T, f family) {
	t.Helper()
	w.pod.send(t, f.pod, 0, f.outside, 9)
	w.pod.send(t, f.pod, 0, f.remotePod, 9)
}

// crosses sends the packet, and compares what the kernel does with what is wanted and with what the tracer says.
func (w *topology) crosses(t *testing.T, f family, c crossing) {
	t.Helper()
	before := w.counters(t)
	w.send(t, f, c)
	w.finish(t, f)
	got := effect{
		Underlay: c.drawn(f, w.onUnderlay.until(t, c.name)), Mesh: c.drawn(f, w.inMesh.until(t, c.name)),
	}
	now := w.counters(t)
	for _, name := range slices.Sorted(maps.Keys(now)) {
		for range now[name] - before[name] {
			got.Counted = append(got.Counted, name)
		}
	}
	if diff := cmp.Diff(c.effect(f), got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", c.name, diff)
	}
	if diff := cmp.Diff(c.predict(w.tracer, f), got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: the tracer and the kernel differ (-tracer +kernel):\n%s", c.name, diff)
	}
}

// drawn puts port 0 in the place of a source port that is not the crossing's own, where one drawn at random is wanted.
func (c crossing) drawn(f family, seen []string) []string {
	if !strings.Contains(c.underlay+c.mesh, ":0 > ") {
		return seen
	}
	for i, text := range seen {
		fields := strings.Fields(text)
		if from := netip.MustParseAddrPort(fields[1]); from.Port() != f.endpoint(strings.Fields(c.packet)[0]).Port() {
			fields[1] = netip.AddrPortFrom(from.Addr(), 0).String()
		}
		seen[i] = strings.Join(fields, " ")
	}
	return seen
}

func (w *topology) counters(t *testing.T) map[string]uint64 {
	t.Helper()
	w.node.enter(t)
	counters, err := w.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return counters
}

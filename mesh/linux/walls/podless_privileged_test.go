package walls

import (
	"net/netip"
	"slices"
	"testing"

	"warren.mesh/test/lab/namespace"
	"warren.mesh/test/lab/packet"
)

// TestPrivilegedPodlessPorts has a port of which no pod is known send to another one: nothing arrives, whatever the
// protocol. Two ports of another bridge reach each other.
func TestPrivilegedPodlessPorts(t *testing.T) {
	n := newNode(t, false, podA, podB)
	namespace.Run(t, "ip link add other type bridge\nip link set other up")
	n.attachTo("other", podD)
	n.attachTo("other", podE)
	here, there := n.cable(bridge, podA, podB), n.cable("other", podD, podE)
	here.wantAll()
	n.sync()
	here.wantNone()
	there.wantAll()
	if counters, err := n.PolicyCounters(t.Context()); err != nil || counters["unknown"] < uint64(len(here.frames)) {
		t.Errorf("counters %v, %v", counters, err)
	}
	if err := n.RemoveTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	here.wantAll()
}

// cable is what a pod sends to another one by a bridge.
type cable struct {
	t              *testing.T
	from, to, node *wire
	// frames are the pod's, by protocol. The last one, which reaches the node in any case, marks their end.
	frames [][]byte
	// end is a frame by which the node marks what has come before it.
	end []byte
}

func (n *node) cable(bridge string, from, to pod) cable {
	n.t.Helper()
	a, b := from.mac(), to.mac()
	return cable{
		t: n.t, from: n.wire(from.name, "eth0"), to: n.wire(to.name, "eth0"), node: n.wire("node", bridge),
		frames: [][]byte{
			ether(b, a, packet.EtherIPv4, ipv4(packet.UDP, from.v4(), to.v4(), udp(1, 2, "own")...)...),
			ether(b, a, packet.EtherIPv6, ipv6(packet.UDP, from.v6(), to.v6(), udp(1, 2, "own")...)...),
			ether(broadcast, a, packet.EtherIPv4,
				ipv4(packet.UDP, from.v4(), addr("255.255.255.255"), udp(1, 2, "own")...)...),
			ether(b, a, packet.EtherIPv6, icmpv6(from.v6(), to.v6(), 136,
				slices.Concat([]byte{0x60, 0, 0, 0}, from.v6().AsSlice(), option(2, a))...)...),
			ether(b, a, 0x88b5, []byte("a protocol of its own")...),
			arp(b, a, 2, a, from.v4(), to.v4()),
			arp(broadcast, a, 1, a, from.v4(), netip.AddrFrom4([4]byte{10, 244, 1, 77})),
		},
		end: ether(b, bridgeMAC, 0x88b6, []byte("the end")...),
	}
}

func is(frame []byte) func([]byte) bool {
	return func(f []byte) bool { return len(f) >= len(frame) && slices.Equal(f[:len(frame)], frame) }
}

// wantAll fails the test unless all frames arrive.
func (c cable) wantAll() {
	c.t.Helper()
	for _, frame := range c.frames {
		c.from.send(frame)
		c.to.until(is(frame))
	}
}

// wantNone fails the test if any frame arrives.
func (c cable) wantNone() {
	c.t.Helper()
	for _, frame := range c.frames {
		c.from.send(frame)
	}
	c.node.until(is(c.frames[len(c.frames)-1]))
	c.node.send(c.end)
	for _, came := range c.to.until(is(c.end)) {
		for _, frame := range c.frames {
			if is(frame)(came) {
				c.t.Errorf("%x arrived", frame)
			}
		}
	}
}

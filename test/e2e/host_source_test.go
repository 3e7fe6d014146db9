package e2e

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"testing"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/tb"
)

// second are a node's further addresses, which its Node object does not list (of the ranges for documentation: RFC
// 5737, RFC 3849).
var second = []netip.Addr{netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("2001:db8:77::1")}

// testForeignSource has a node with two networks, whose default route prefers the address that the mesh does not know,
// ask remote pods.
func testForeignSource(t *testing.T, h *hosts) {
	h.families(t, func(t *testing.T, like netip.Addr) {
		own := h.secondAddress(t, h.two, like)
		pod := h.far.Echo(like)
		service := h.plain.clusterAddr(h.Lab, like)
		before := firewallCounts(t, h.Lab)

		// The default route is what chooses the source before the translation: with no pod behind it, it shows.
		if used, seen := h.inquire(t, h.two.Host, netip.Addr{}, h.Outside.Echo(like)); used != own || seen != own {
			t.Fatalf("asked the outside from %v, seen as %v, want %v: the scene is not what the test is about", used,
				seen, own)
		}
		for _, c := range []struct {
			name string
			from netip.Addr
			to   netip.AddrPort
		}{
			{"bound to it, to a pod", own, pod},
			{"the route's choice, to a ClusterIP", netip.Addr{}, service},
		} {
			used, seen := h.inquire(t, h.two.Host, c.from, c.to)
			if used != own || seen != h.two.Gateway(t, like) {
				t.Errorf("%s: asked from %v, seen as %v, want from %v, seen as the gateway address %v", c.name, used,
					seen, own, h.two.Gateway(t, like))
			}
		}
		now := firewallCounts(t, h.Lab)
		if got := now["node2 masqueraded-into-mesh"] - before["node2 masqueraded-into-mesh"]; got != 2 {
			t.Errorf("counter masqueraded-into-mesh went up by %d for 2 connections", got)
		}
		before.wantSame(t, h.Lab, "node2 masqueraded-into-mesh")
	})
}

// secondAddress gives the node a further address and has its default route prefer that; until the test ends.
func (h *hosts) secondAddress(t *testing.T, n *lab.Node, like netip.Addr) netip.Addr {
	t.Helper()
	family, own := "-4", second[0]
	if like.Is6() {
		family, own = "-6", second[1]
	}
	t.Cleanup(addAddress(t, n.Host, own, "eth0"))
	router := h.Control.Addr(like).String()
	n.MustExec(t, "ip", family, "route", "replace", "default", "via", router, "src", own.String())
	t.Cleanup(func() { n.MustExec(t, "ip", family, "route", "replace", "default", "via", router) })
	// The way back.
	h.Control.MustExec(t, "ip", family, "route", "add", own.String(), "via", n.Addr(like).String())
	t.Cleanup(func() { h.Control.MustExec(t, "ip", family, "route", "delete", own.String()) })
	return own
}

// addAddress gives a host another address at once, until it is taken back.
func addAddress(t *testing.T, h *host.Host, addr netip.Addr, dev string) (takeBack func()) {
	t.Helper()
	add := []string{"address", "add", addr.String(), "dev", dev}
	if addr.Is6() {
		// It is no source for a moment without this, even where nothing detects duplicates.
		add = append(add, "nodad")
	}
	h.MustExec(t, "ip", add...)
	return func() { t.Helper(); h.MustExec(t, "ip", "address", "delete", addr.String(), "dev", dev) }
}

// inquire is ask over TCP from the given address, or the kernel's choice; both answers without ports.
func (h *hosts) inquire(t *testing.T, from *host.Host, local netip.Addr, to netip.AddrPort) (own, seen netip.Addr) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), tb.Bound(patience))
	defer cancel()
	var bound netip.AddrPort
	if local.IsValid() {
		bound = netip.AddrPortFrom(local, 0)
	}
	conn, err := from.DialFrom(ctx, bound, "tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer, err := question(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddrPort(conn.LocalAddr().String()).Addr(), netip.MustParseAddrPort(answer).Addr()
}

// testSpoofedSource has a pod send from addresses that are not its node's to give, and somebody on the underlay from
// pods'.
func testSpoofedSource(t *testing.T, h *hosts) {
	h.families(t, func(t *testing.T, like netip.Addr) {
		for _, source := range []netip.Addr{h.near.Addr(like), h.two.Addr(like), h.Outside.Addr(like)} {
			for _, target := range []*host.Host{h.far.Host, h.three.Host, h.Outside} {
				if target.Addr(like) != source {
					spoof{
						from: h.a.Host, source: source, target: target,
						node: h.one, family: "bridge", counter: "spoofed",
					}.check(t, h.Lab)
				}
			}
		}
		for _, source := range []netip.Addr{h.near.Addr(like), h.a.Addr(like), h.two.Gateway(t, like)} {
			spoof{
				from: h.Outside, source: source, target: h.one.Host, node: h.one, family: "inet",
				counter: "spoofed-on-underlay",
			}.check(t, h.Lab)
		}
	})
}

// spoof is a burst of datagrams from a host to its target, with a source that is another's.
type spoof struct {
	from   *host.Host
	source netip.Addr
	target *host.Host
	// counter is where they must be counted, in the node's table warren of this family. A port of the bridge counts
	// what its pod sends otherwise, too: that may be more.
	node            *lab.Node
	family, counter string
}

const (
	// spoofPort is where targets listen.
	spoofPort = 9000
	burst     = 5
)

// check sends the burst between two honest datagrams, which must be the only ones to arrive: packets don't overtake
// each other here. The first one also has neighbours know each other, who would ask in the false name otherwise.
func (s spoof) check(t *testing.T, l *lab.Lab) {
	t.Helper()
	defer addAddress(t, s.from, s.source, "lo")()
	to := netip.AddrPortFrom(s.target.Addr(s.source), spoofPort)
	received := s.target.ListenPacket(t, "udp", fmt.Sprintf(":%d", spoofPort))
	defer received.Close()

	before, counted := firewallCounts(t, l), countersOf(t, s.node, s.family)[s.counter]
	send(t, s.from, to)
	s.send(t, to)
	lab.Wait(t, patience, fmt.Sprintf("%v to be counted", s), func() error {
		return want("spoofed packets", min(burst, countersOf(t, s.node, s.family)[s.counter]-counted), burst)
	})
	send(t, s.from, to)
	for range 2 {
		if text, _ := next(t, received); text != "in plain text" {
			t.Errorf("%v: received %q", s, text)
		}
	}
	before.wantSame(t, l, s.node.Name+" "+s.counter)
}

func (s spoof) send(t *testing.T, to netip.AddrPort) {
	t.Helper()
	conn, err := s.from.DialFrom(t.Context(), netip.AddrPortFrom(s.source, 0), "udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range burst {
		if _, err := io.WriteString(conn, "spoofed"); err != nil {
			t.Fatal(err)
		}
	}
}

// String is for failures.
func (s spoof) String() string {
	return fmt.Sprintf("datagrams from %s to %s in the name of %v", s.from.Name, s.target.Name, s.source)
}

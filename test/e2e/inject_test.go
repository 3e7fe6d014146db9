package e2e

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/packet"
	"warren.mesh/test/lab/tb"
	"warren.mesh/test/lab/traffic"
)

// injected is in every packet that an intruder puts on the underlay.
const injected = "injected in plain text"

// wantNoneIn injects plain text on the underlay at node1, to its pods and gateway address, to remote pods and another
// node's address, and wants every packet to be dropped and counted: no pod gets any, and no node sends any on.
func (s *scene) wantNoneIn(t *testing.T) {
	t.Helper()
	i := s.intruder(t)
	before := firewallCounts(t, s.Lab)
	i.wantNoneIn(t)
	before.wantSame(t, s.Lab, "node1 plain-to-pod", "node1 spoofed-on-underlay")
}

// intruder is somebody on the underlay who sends to a scene's first node.
type intruder struct {
	of             *scene
	plain, spoofed []packet.Frame
	// arrived are captures of what comes in at each pod.
	arrived []*capture.Capture
}

// intruder needs a mesh that is whole, which may break afterwards.
func (s *scene) intruder(t *testing.T) intruder {
	t.Helper()
	i := intruder{of: s, arrived: s.watchPods(t)}
	i.plain, i.spoofed = s.intrusions(t)
	return i
}

// wantNoneIn sends all that there is, and wants the node's guard to drop and count it, whatever state its mesh is in.
func (i intruder) wantNoneIn(t *testing.T) {
	t.Helper()
	n := i.of.Node(1)
	before := countersOf(t, n, "inet")
	i.of.Inject(t, n, i.plain...)
	i.of.Inject(t, n, i.spoofed...)
	lab.Wait(t, patience, "injected packets to be dropped", func() error {
		now := countersOf(t, n, "inet")
		if err := want("plain-to-pod", now["plain-to-pod"]-before["plain-to-pod"], len(i.plain)); err != nil {
			return err
		}
		return want("spoofed-on-underlay", now["spoofed-on-underlay"]-before["spoofed-on-underlay"], len(i.spoofed))
	})
	for _, c := range i.arrived {
		c.WantNone(t)
	}
	t.Logf("%d packets injected, all of them dropped", len(i.plain)+len(i.spoofed))
}

// watchPods captures what comes in at each pod, and shows by an honest packet that it does.
func (s *scene) watchPods(t *testing.T) (all []*capture.Capture) {
	t.Helper()
	judge := func(_ string, h packet.Header) capture.Kind {
		if bytes.Contains(h.Payload, []byte(injected)) {
			return capture.Leak
		}
		return capture.Other
	}
	for _, p := range s.pods {
		c := capture.New(judge)
		if err := p.Do(func() error { return c.Attach("eth0") }); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.WantNone(t) })
		send(t, s.Node(1).Host, netip.AddrPortFrom(p.Addrs()[0], traffic.FlowPort))
		lab.Wait(t, patience, "an honest packet to "+p.Name, func() error {
			return want("packets", c.Report().Packets[capture.Other], 1)
		})
		all = append(all, c)
	}
	return all
}

// intrusions are the packets to inject at node1, by the counter that they are for. Some of them have the ends of a
// connection that is open.
func (s *scene) intrusions(t *testing.T) (plain, spoofed []packet.Frame) {
	t.Helper()
	here, remote := s.pods[0], s.pods[2]
	node, other := s.Node(1), s.Node(2)
	for _, like := range here.Addrs() {
		asked := s.open(t, here.Host, other.Echo(like))
		targets := []netip.AddrPort{
			asked, here.Echo(like), remote.Echo(like), netip.AddrPortFrom(node.Gateway(t, like), traffic.EchoPort),
		}
		strangers := []netip.AddrPort{
			other.Echo(like), s.Node(3).Echo(like), s.Outside.Echo(like), s.Control.Echo(like),
		}
		pods := []netip.AddrPort{remote.Echo(like), s.pods[1].Echo(like)}
		for _, protocol := range []uint8{packet.UDP, packet.TCP} {
			for _, to := range targets {
				plain = append(plain, frames(protocol, strangers, to)...)
				spoofed = append(spoofed, frames(protocol, pods, to)...)
			}
			spoofed = append(spoofed, frames(protocol, pods, other.Echo(like))...)
		}
	}
	return plain, spoofed
}

func frames(protocol uint8, from []netip.AddrPort, to netip.AddrPort) (all []packet.Frame) {
	for _, source := range from {
		all = append(all, packet.Frame{
			Protocol: protocol, Source: source, Destination: to, Payload: []byte(injected),
		})
	}
	return all
}

// open asks an echo server over UDP from a socket that stays open until the test ends, and returns the socket's
// address.
func (s *scene) open(t *testing.T, from *host.Host, to netip.AddrPort) netip.AddrPort {
	t.Helper()
	conn, err := from.Dial(t.Context(), "udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), tb.Bound(patience))
	defer cancel()
	if _, err := question(ctx, conn); err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

// wantClosed injects plain text at each node whose mesh interface has addresses, in whatever state a test has left its
// daemon: to those addresses, the node's gateway's, from strangers and in another node's name. It wants all of it to be
// dropped and counted. A daemon gives the interface addresses after it has written its guard, so a node without one
// fails the test.
func wantClosed(t *testing.T, l *lab.Lab) {
	t.Helper()
	nodes := l.Nodes()
	closed := 0
	for i, n := range nodes {
		addresses, err := n.Exec("ip", "-o", "address", "show", "dev", "warren0", "scope", "global")
		if err != nil || addresses == "" {
			continue
		}
		other := nodes[(i+1)%len(nodes)]
		var all []packet.Frame
		for line := range strings.Lines(addresses) {
			gateway := netip.MustParsePrefix(strings.Fields(line)[3]).Addr()
			from := []netip.AddrPort{l.Outside.Echo(gateway), l.Control.Echo(gateway), other.Echo(gateway)}
			for _, protocol := range []uint8{packet.UDP, packet.TCP} {
				all = append(all, frames(protocol, from, netip.AddrPortFrom(gateway, traffic.EchoPort))...)
			}
		}
		// Again and again: a daemon may still be replacing its table, whose counters begin anew then.
		lab.Wait(t, patience, "plain text to be dropped on "+n.Name, func() error {
			before, guarded := plainToPod(n)
			if !guarded {
				return errors.New("the node has a mesh and no guard")
			}
			l.Inject(t, n, all...)
			now, _ := plainToPod(n)
			return want("packets dropped", now-before, len(all))
		})
		closed++
	}
	t.Logf("plain text was dropped on %d of %d nodes, the others have no mesh", closed, len(nodes))
}

// plainToPod reads the guard's counter from the kernel; guarded is false where there is none.
func plainToPod(n *lab.Node) (packets int, guarded bool) {
	text, err := n.Exec("nft", "list", "counter", "inet", "warren", "plain-to-pod")
	_, number, found := strings.Cut(text, "packets ")
	if err != nil || !found {
		return 0, false
	}
	packets, err = strconv.Atoi(strings.Fields(number)[0])
	return packets, err == nil
}

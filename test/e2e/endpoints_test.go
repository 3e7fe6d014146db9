package e2e

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// TestPrivilegedEndpoints is about where nodes send each other's packets when that is not what is announced. Its third
// node prefers IPv6.
func TestPrivilegedEndpoints(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	s := &scene{Lab: lab.Start(t, lab.Options{Nodes: 2, Family: lab.Dual})}
	third := []netip.Addr{netip.MustParseAddr("fd00:9::3"), netip.MustParseAddr("172.31.9.3")}
	s.AddNode(t, lab.NodeOptions{IPs: third})
	s.capture = captured(t, s.Lab)
	s.StartMesh(t)
	for _, n := range s.Nodes() {
		s.pods = append(s.pods, n.AddPod(t, "a"), n.AddPod(t, "b"))
	}
	t.Run("masqueraded", func(t *testing.T) { s.masqueraded(t) })
	// The nodes have been silent towards each other for longer than WireGuard puts off a keepalive, by which they would
	// roam back.
	t.Run("false", func(t *testing.T) { s.falseEndpoints(t) })
}

// falseEndpoints has devices send where no peer is, as after an address that has moved on to another node: two to each
// other over IPv4, one over IPv6 while its peer has nothing to send, and one to an address that answers no more, while
// the peer's other one does.
func (s *scene) falseEndpoints(t *testing.T) {
	one, two, three := s.Node(1), s.Node(2), s.Node(3)
	third := wireguardAt("172.31.9.3")
	deaf(t, three, two)

	misdirect(t, one, two, third)
	misdirect(t, two, one, third)
	misdirect(t, three, one, wireguardAt("fd00:9::2"))
	misdirect(t, two, three, third)
	begin := time.Now()
	both := s.FlowsAmong(t, traffic.Options{}, s.pods[0].Host, s.pods[2].Host)
	send(t, s.pods[4].Host, netip.AddrPortFrom(s.pods[0].Addrs()[0], traffic.FlowPort))
	oneWay := s.Flow(t, s.pods[3].Host, s.pods[5].Host, traffic.Options{})

	for what, healed := range map[string]func() error{
		"both sides false, IPv4":            func() error { return uses(one, two, wireguardAt("172.31.9.2")) },
		"one packet, IPv6":                  func() error { return uses(three, one, wireguardAt("fd00:9::1")) },
		"the peer's other address, in turn": func() error { return uses(two, three, wireguardAt("fd00:9::3")) },
	} {
		lab.Wait(t, time.Minute, what, healed)
		t.Logf("%s: set after %v", what, time.Since(begin).Round(100*time.Millisecond))
	}
	resume(t, append(both, oneWay))
	t.Logf("all flows arrive after %v", time.Since(begin).Round(100*time.Millisecond))
}

// wireguardAt is a device's endpoint at an address.
func wireguardAt(ip string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(ip), 51820) }

// misdirect has a node's device send a peer's packets elsewhere.
func misdirect(t *testing.T, n, peer *lab.Node, endpoint netip.AddrPort) {
	t.Helper()
	n.MustExec(t, "wg", "set", "warren0", "peer", publicKey(t, peer), "endpoint", endpoint.String())
}

// deaf drops what comes to a node's device from a peer over IPv4.
func deaf(t *testing.T, n, peer *lab.Node) {
	t.Helper()
	const rules = `add table ip deaf
add chain ip deaf in { type filter hook input priority raw; }
add rule ip deaf in ip saddr %v udp dport 51820 drop`
	n.MustExec(t, "nft", fmt.Sprintf(rules, peer.Addr(netip.IPv4Unspecified())))
	t.Cleanup(func() { n.MustExec(t, "nft", "delete table ip deaf") })
}

// uses is nil where the node's device sends the peer's packets there.
func uses(n, peer *lab.Node, want netip.AddrPort) error {
	got, err := endpoint(n, peer)
	if err == nil && got != want {
		err = fmt.Errorf("%s sends to %s at %v, want %v", n.Name, peer.Name, got, want)
	}
	return err
}

// endpoint returns where the node's device sends the peer's packets.
func endpoint(n, peer *lab.Node) (netip.AddrPort, error) {
	key, err := peer.Exec("wg", "show", "warren0", "public-key")
	if err != nil {
		return netip.AddrPort{}, err
	}
	all, err := n.Exec("wg", "show", "warren0", "endpoints")
	if err != nil {
		return netip.AddrPort{}, err
	}
	for line := range strings.Lines(all) {
		if fields := strings.Fields(line); fields[0] == strings.TrimSpace(key) {
			return netip.ParseAddrPort(fields[1])
		}
	}
	return netip.AddrPort{}, errors.New(n.Name + " has no peer " + peer.Name)
}

package walls

import (
	"slices"
	"strings"
	"testing"

	"warren.mesh/test/lab/packet"
)

// TestPrivilegedFragmentedAdvertisement has a pod advertise another's address in two fragments, of which the first has
// ICMP's type and no target. Nobody learns it: neither a neighbour nor this host, where br_netfilter puts the fragments
// together.
func TestPrivilegedFragmentedAdvertisement(t *testing.T) {
	for name, netfilter := range map[string]bool{"br_netfilter off": false, "br_netfilter on": true} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, netfilter, podA, podC, podD)
			n.know(podA, podC, podD)
			n.sync()
			from, sees := n.wire("d", "eth0"), n.wire("c", "eth0")
			n.run("node", "ping -c 1 -W 3 "+podA.v6().String())
			n.run("node", "ip neighbour replace "+podA.v6().String()+
				" lladdr 02:00:00:00:01:02 dev warren-br0 nud stale")
			d := podD.mac()
			for i, to := range []struct {
				mac  [6]byte
				addr string
			}{{bridgeMAC, gateway6.String()}, {podC.mac(), podC.v6().String()}} {
				message := icmpv6(podD.v6(), addr(to.addr), 136, slices.Concat([]byte{0x60, 0, 0, 0},
					podA.v6().AsSlice(), option(2, d))...)[40:]
				for _, part := range [][]byte{
					slices.Concat([]byte{58, 0, 0, 1, 0, 0, 0, byte(9 + i)}, message[:8]),
					slices.Concat([]byte{58, 0, 0, 8, 0, 0, 0, byte(9 + i)}, message[8:]),
				} {
					from.send(ether(to.mac, d, packet.EtherIPv6, ipv6(44, podD.v6(), addr(to.addr), part...)...))
				}
			}
			sentinel := arp(broadcast, d, 1, d, podD.v4(), addr("10.244.1.200"))
			from.send(sentinel)
			for _, f := range sees.until(func(f []byte) bool { return slices.Equal(f[:len(sentinel)], sentinel) }) {
				if f[12] == 0x86 && f[20] == 44 {
					t.Errorf("the neighbour got %x", f)
				}
			}
			known := n.ns["node"].Command(t, "ip", "-6", "neighbour", "show", podA.v6().String(), "dev", "warren-br0")
			if !strings.Contains(known, "02:00:00:00:01:02") {
				t.Errorf("this host has learnt: %s", known)
			}
		})
	}
}

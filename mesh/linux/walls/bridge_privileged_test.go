package walls

import (
	"slices"
	"testing"

	"warren.mesh/test/lab/namespace"
	"warren.mesh/test/lab/packet"
)

// TestPrivilegedBridge changes the bridge's hardware address: the tables of the old one let nothing past the policies,
// and with those of the new one all is as before, at once. The node tells pods of no shorter way to each other.
func TestPrivilegedBridge(t *testing.T) {
	n := policyNode(t, false)
	tries := []try{
		{what: "allowed", from: "a", network: "udp", to: of(podB), port: 53, want: answered},
		{what: "another port", from: "a", network: "tcp", to: of(podB), port: 80, want: silent},
		{what: "its node", from: "a", network: "tcp", to: gateway, port: 10250, want: answered},
		{what: "remote", from: "remote", network: "tcp", to: of(podB), port: 6379, want: answered},
	}
	client, neighbour := n.wire("a", "eth0"), n.wire("c", "eth0")
	n.tryAll(tries)
	namespace.Run(t, "ip link set warren-br0 address 02:00:00:00:00:07")
	for i := range tries[:2] {
		tries[i].want = silent
	}
	n.tryAll(tries[:2])
	for i := range tries[:2] {
		tries[i].want = []string{answered, silent}[i]
	}
	n.sync()
	n.tryAll(tries)
	sentinel := arp(broadcast, podA.mac(), 1, podA.mac(), podA.v4(), addr("10.244.1.77"))
	client.send(sentinel)
	isSentinel := func(f []byte) bool { return slices.Equal(f[:len(sentinel)], sentinel) }
	for _, f := range neighbour.until(isSentinel) {
		if h := packet.Decode(f); h.Protocol == packet.TCP || h.Protocol == packet.UDP {
			t.Errorf("a neighbour got %v", h)
		}
	}
	// What the node has to say to a comes before its next answer.
	n.tryAll(tries[:1])
	const redirect, redirect6 = 5, 137
	for range 2 {
		came := client.until(func(f []byte) bool {
			h := packet.Decode(f)
			return h.SourcePort == 53
		})
		for _, f := range came {
			h := packet.Decode(f)
			if h.Protocol == packet.ICMP && h.Type == redirect || h.Protocol == packet.ICMPv6 && h.Type == redirect6 {
				t.Errorf("the node redirects: %v", h)
			}
		}
	}
}

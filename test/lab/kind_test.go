package lab

import (
	"net/netip"
	"testing"

	"warren.mesh/test/lab/packet"
)

func TestClassify(t *testing.T) {
	node, pod := netip.MustParseAddr("172.31.9.1"), netip.MustParseAddr("10.244.1.2")
	header := func(from, to netip.Addr, protocol uint8, port uint16, payload string) packet.Header {
		return packet.Header{
			EtherType: packet.EtherIPv4, Source: from, Destination: to,
			Protocol: protocol, SourcePort: 40000, DestinationPort: port, Payload: []byte("12345678" + payload),
		}
	}
	other := netip.MustParseAddr("172.31.9.2")
	for name, test := range map[string]struct {
		header packet.Header
		want   Kind
	}{
		"WireGuard":                      {header(node, other, packet.UDP, 51820, ""), KindWireGuard},
		"WireGuard's port over TCP":      {header(node, other, packet.TCP, 51820, ""), KindOther},
		"API server":                     {header(node, other, packet.TCP, 6443, ""), KindAPI},
		"pod's source":                   {header(pod, other, packet.TCP, 6443, ""), KindLeak},
		"pod's destination":              {header(node, pod, packet.TCP, 80, ""), KindLeak},
		"WireGuard within WireGuard":     {header(node, pod, packet.UDP, 51820, ""), KindLeak},
		"secret flow between nodes":      {header(node, other, packet.UDP, FlowPort, string(secretMagic)), KindLeak},
		"secret flow on WireGuard's own": {header(node, other, packet.UDP, 51820, string(secretMagic)), KindLeak},
		"plain flow between nodes":       {header(node, other, packet.UDP, FlowPort, string(plainMagic)), KindOther},
		"ARP about a pod":                {packet.Header{EtherType: packet.EtherARP, Source: node, Destination: pod}, KindARP},
		"neighbour discovery":            {packet.Header{EtherType: packet.EtherIPv6, Protocol: packet.ICMPv6, Type: 135}, KindND},
		"multicast listener report":      {packet.Header{EtherType: packet.EtherIPv6, Protocol: packet.ICMPv6, Type: 143}, KindND},
		"echo request":                   {packet.Header{EtherType: packet.EtherIPv6, Protocol: packet.ICMPv6, Type: 128}, KindOther},
	} {
		t.Run(name, func(t *testing.T) {
			if got := classify(test.header, clusterCIDRs[:]); got != test.want {
				t.Errorf("%v is %s, want %s", test.header, got, test.want)
			}
		})
	}
}

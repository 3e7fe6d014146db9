package capture

import (
	"net/netip"
	"testing"

	"warren.mesh/test/lab/packet"
	"warren.mesh/test/lab/traffic"
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
	judge := Plaintext{Pods: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}, Secret: traffic.Secret}
	for name, test := range map[string]struct {
		header packet.Header
		want   Kind
	}{
		"WireGuard":                  {header(node, other, packet.UDP, 51820, ""), WireGuard},
		"WireGuard's port over TCP":  {header(node, other, packet.TCP, 51820, ""), Other},
		"API server":                 {header(node, other, packet.TCP, 6443, ""), API},
		"pod's source":               {header(pod, other, packet.TCP, 6443, ""), Leak},
		"pod's destination":          {header(node, pod, packet.TCP, 80, ""), Leak},
		"WireGuard within WireGuard": {header(node, pod, packet.UDP, 51820, ""), Leak},
		"secret flow between nodes": {header(node, other, packet.UDP, traffic.FlowPort, string(traffic.Secret)),
			Leak},
		"secret flow on WireGuard's own": {header(node, other, packet.UDP, 51820, string(traffic.Secret)), Leak},
		"plain flow between nodes": {header(node, other, packet.UDP, traffic.FlowPort, string(traffic.Plain)),
			Other},
		"ARP about a pod": {packet.Header{EtherType: packet.EtherARP, Source: node, Destination: pod},
			ARP},
		"neighbour discovery": {packet.Header{EtherType: packet.EtherIPv6, Protocol: packet.ICMPv6,
			Type: 135}, ND},
		"multicast listener report": {packet.Header{EtherType: packet.EtherIPv6, Protocol: packet.ICMPv6,
			Type: 143}, ND},
		"echo request": {packet.Header{EtherType: packet.EtherIPv6, Protocol: packet.ICMPv6,
			Type: 128}, Other},
	} {
		t.Run(name, func(t *testing.T) {
			if got := judge.Judge("", test.header); got != test.want {
				t.Errorf("%v is %s, want %s", test.header, got, test.want)
			}
		})
	}
}

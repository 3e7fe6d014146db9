package e2e

import (
	"fmt"
	"net/netip"
	"testing"

	"warren.mesh/test/lab"
)

// wireguardPort is the device's.
const wireguardPort = 51820

// testWireGuardPort has a pod send from the device's port to the same port elsewhere. The device keeps its port:
// neither do the mesh's flows suffer, nor does the pod receive what is sent to the device.
func testWireGuardPort(t *testing.T, h *hosts) {
	flows := h.crossing(t)
	h.families(t, func(t *testing.T, like netip.Addr) {
		before := firewallCounts(t, h.Lab)
		address := fmt.Sprintf(":%d", wireguardPort)
		pod, outside := h.a.ListenPacket(t, "udp", address), h.Outside.ListenPacket(t, "udp", address)
		defer pod.Close()
		defer outside.Close()

		device := netip.AddrPortFrom(h.one.Addr(like), wireguardPort)
		write(t, pod, netip.AddrPortFrom(h.Outside.Addr(like), wireguardPort), "from a pod")
		text, seen := next(t, outside)
		if text != "from a pod" || seen.Addr() != device.Addr() || seen.Port() == wireguardPort {
			t.Errorf("outside has received %q from %v, want the node's address and another port than the device's",
				text, seen)
		}
		// Packets don't overtake each other here: if the pod received the first, then before the second.
		write(t, outside, device, "for the device")
		write(t, outside, seen, "for the pod")
		if text, _ := next(t, pod); text != "for the pod" {
			t.Errorf("the pod has received %q", text)
		}
		before.wantSame(t, h.Lab)
	})
	pass(t, flows, 200)
	wantNoLoss(t, flows)
}

// testWireGuardHostPort attaches a pod whose hostPort is the device's. portmap translates that port, and has connection
// tracking forget the peers' connections. The device keeps its port all the same.
func testWireGuardHostPort(t *testing.T, h *hosts) {
	flows := h.crossing(t)
	thief := h.one.AddPod(t, "thief", lab.HostPort{Host: wireguardPort, Container: wireguardPort, Protocol: "udp"})
	pass(t, flows, 200)
	wantNoLoss(t, flows)
	thief.Delete(t)
}

// testWireGuardInside has a pod send to the ports of devices. What comes from a pod is no peer's.
func testWireGuardInside(t *testing.T, h *hosts) {
	h.families(t, func(t *testing.T, like netip.Addr) {
		for _, n := range []*lab.Node{h.one, h.two} {
			before, counter := firewallCounts(t, h.Lab), n.Name+" loop"
			send(t, h.a.Host, netip.AddrPortFrom(n.Addr(like), wireguardPort))
			lab.Wait(t, patience, "a pod's packet to the device of "+n.Name+" to be counted", func() error {
				return want("packets", firewallCounts(t, h.Lab)[counter]-before[counter], 1)
			})
			before.wantSame(t, h.Lab, counter)
		}
	})
}

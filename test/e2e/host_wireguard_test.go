package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/lab"
)

// wireguardPort is the device's.
const wireguardPort = 51820

// testWireGuardPort has a pod send from the device's port to the same port elsewhere. The device keeps its port: neither do
// the mesh's flows suffer, nor does the pod receive what is sent to the device.
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
			t.Errorf("outside has received %q from %v, want the node's address and another port than the device's", text, seen)
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

// recovery is how long the mesh of a node may take once its address is preferred again: a handshake is retried every five
// seconds (REKEY_TIMEOUT of the WireGuard paper) and a bit.
const recovery = 10 * time.Second

// testDeprecatedAddress has node1's IPv6 address deprecated while the mesh runs over IPv6: the kernel then prefers node1's
// gateway address as source of what the device sends, and peers that took it for node1's would send into the mesh
// what carries the mesh.
func testDeprecatedAddress(t *testing.T, h *hosts) {
	defer h.overIPv6(t)()
	flows := h.crossing(t)
	before := firewallCounts(t, h.Lab)

	h.prefer(t, h.one, "0")
	pass(t, flows, 200)
	h.wantNoRoaming(t)
	// A device that starts now knows no source that has ever worked.
	h.one.KillDevice(t)
	h.one.StartDevice(t)
	lab.Wait(t, time.Minute, "the guard to have dropped the device's packets", func() error {
		return want("packets", firewallCounts(t, h.Lab)["node1 loop"]-before["node1 loop"], 1)
	})
	h.wantNoRoaming(t)
	flows.Stop()

	h.prefer(t, h.one, "forever")
	begin := time.Now()
	flows = h.crossing(t)
	took := time.Since(begin)
	t.Logf("recovered in %v", took.Round(time.Millisecond))
	if took > recovery {
		t.Errorf("recovered in %v, want %v at most", took, recovery)
	}
	h.wantNoRoaming(t)
	pass(t, flows, 200)
	wantNoLoss(t, flows)
	before.wantSame(t, h.Lab, "node1 loop")
}

// overIPv6 has all nodes know each other by their IPv6 endpoints only, until back is called.
func (h *hosts) overIPv6(t *testing.T) (back func()) {
	t.Helper()
	families := h.one.Addrs()
	force := func(like netip.Addr, endpoint func(*lab.Node) string) {
		t.Helper()
		for _, n := range h.Nodes() {
			n.Annotate(t, map[string]string{"warren.mesh/force-endpoint": endpoint(n)})
		}
		lab.Wait(t, patience, "endpoints of the other family", func() error { return h.endpointsLike(t, like) })
	}
	force(families[1], func(n *lab.Node) string { return netip.AddrPortFrom(n.Addr(families[1]), wireguardPort).String() })
	return func() { t.Helper(); force(families[0], func(*lab.Node) string { return "" }) }
}

// endpointsLike is nil where all are of the family of like.
func (h *hosts) endpointsLike(t *testing.T, like netip.Addr) error {
	t.Helper()
	for _, e := range h.endpoints(t) {
		if e.Addr().Is4() != like.Is4() {
			return fmt.Errorf("still %v", e)
		}
	}
	return nil
}

// endpoints are all that all nodes' devices have.
func (h *hosts) endpoints(t *testing.T) (all []netip.AddrPort) {
	t.Helper()
	for _, n := range h.Nodes() {
		for line := range strings.Lines(n.MustExec(t, "wg", "show", "warren0", "endpoints")) {
			if _, endpoint, _ := strings.Cut(strings.TrimSpace(line), "\t"); endpoint != "(none)" {
				all = append(all, netip.MustParseAddrPort(endpoint))
			}
		}
	}
	return all
}

// wantNoRoaming fails the test for endpoints inside the mesh.
func (h *hosts) wantNoRoaming(t *testing.T) {
	t.Helper()
	for _, e := range h.endpoints(t) {
		for _, pods := range h.ClusterCIDRs() {
			if pods.Contains(e.Addr()) {
				t.Errorf("a peer has roamed to %v", e)
			}
		}
	}
}

// prefer sets how long, in seconds or forever, the node's IPv6 address is preferred.
func (h *hosts) prefer(t *testing.T, n *lab.Node, lifetime string) {
	t.Helper()
	own := netip.PrefixFrom(n.Addrs()[1], 64)
	n.MustExec(t, "ip", "address", "change", own.String(), "dev", "eth0", "valid_lft", "forever", "preferred_lft", lifetime)
}

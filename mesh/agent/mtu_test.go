package agent_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh/meshtest"
)

// A node whose Node object has no address yet waits for one, and says so.
func TestWaitsForANodeAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var api meshtest.API
		bare := object(1)
		bare.NodeIPs = nil
		api.Create(bare)
		m := newMachine(&api, 1)
		m.start()
		defer m.end()
		settle()
		if code, body := m.get("/readyz"); code != 503 || !strings.Contains(body, "waiting for a node address") {
			t.Errorf("/readyz: %d %s", code, body)
		}
		api.Update(m.name, func(n *meshtest.Node) { n.NodeIPs = object(1).NodeIPs })
		settle()
		if code, body := m.get("/readyz"); code != 200 {
			t.Errorf("/readyz: %d %s", code, body)
		}
	})
}

// An underlay of which nothing is known is no obstacle. The MTU is that of the way to the peers once there are any.
func TestMTUOfTheWayToThePeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var api meshtest.API
		api.Create(object(1))
		m := newMachine(&api, 1)
		m.host.SetUnderlay(object(1).NodeIPs[0], 1480)
		m.host.failUnderlay(errors.New("no way out"))
		m.start()
		defer m.end()
		wantMTU := func(when string, want int, warns bool) {
			t.Helper()
			settle()
			code, body := m.get("/readyz")
			if code != 200 || strings.Contains(body, "warning: underlay mtu: ") != warns {
				t.Errorf("%s: /readyz: %d %s", when, code, body)
			}
			if got := m.host.now().Link.MTU; got != want || m.attachments.mtu != want {
				t.Errorf("%s: the mesh has MTU %d, pods have %d, want %d", when, got, m.attachments.mtu, want)
			}
		}
		wantMTU("no way out is known", 1420, true)
		if got := logged(m.log.read(), "set another with --mtu"); len(got) != 1 {
			t.Errorf("log: %q", got)
		}
		m.host.failUnderlay(nil) // of which nobody tells
		time.Sleep(time.Minute)
		wantMTU("an interface has the address", 1400, false)
		m.host.SetUnderlay(object(9).NodeIPs[0], 9000)
		api.Create(announced(9))
		wantMTU("a peer", 8920, false)
		forced := netip.MustParseAddr("198.51.100.9")
		m.host.SetUnderlay(forced, 1500)
		api.Update(name(9), func(n *meshtest.Node) { n.Overrides.ForceEndpoint = "198.51.100.9:1" })
		wantMTU("a peer with another endpoint", 1420, false)
	})
}

package agent_test

import (
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
)

// A node whose runtime uses another CNI configuration is not ready, says so once, and recovers by itself.
func TestOtherConfigurationIsUsed(t *testing.T) {
	cluster(t, 1, func(t *testing.T, api *meshtest.API, machines []*machine) {
		const file = "/etc/cni/net.d/05-other.conflist"
		a := machines[0]
		is := func(ready, available bool) {
			t.Helper()
			settle()
			code, body := a.get("/readyz")
			if ready != (code == 200) || !ready && !strings.Contains(body, file) {
				t.Errorf("readyz %d %q, want ready: %v", code, body, ready)
			}
			if n := api.Node(a.name); n.NetworkAvailable != available || n.NetworkUnavailable == available {
				t.Errorf("condition: available %v, unavailable %v", n.NetworkAvailable, n.NetworkUnavailable)
			}
			want := "warren_cni_effective 0"
			if available {
				want = "warren_cni_effective 1"
			}
			if _, metrics := a.get("/metrics"); !strings.Contains(metrics, want+"\n") {
				t.Errorf("metrics lack %q", want)
			}
		}
		is(true, true)
		a.log.read()
		a.attachments.appears(file, false)
		is(false, false)
		time.Sleep(time.Hour) // retries and resyncs
		is(false, false)
		if lines := logged(a.log.read(), file); len(lines) != 1 {
			t.Errorf("log: %q", lines)
		}
		a.attachments.appears("", false)
		is(true, true)
		a.attachments.appears(file, true)
		is(true, true)
		if _, body := a.get("/readyz"); !strings.Contains(body, "warning: cni delegation: ") {
			t.Errorf("readyz %q, want a warning", body)
		}
	})
}

// Plugins that somebody has replaced are a warning.
func TestReplacedPluginsAreSaid(t *testing.T) {
	cluster(t, 1, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		a.plugins.replaced = []string{"bridge", "portmap"}
		time.Sleep(10 * time.Minute) // The resync compares them.
		settle()
		if code, body := a.get("/readyz"); code != 200 || !strings.Contains(body, "replaced bridge, portmap") {
			t.Errorf("readyz %d %q, want a warning", code, body)
		}
	})
}

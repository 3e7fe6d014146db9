package agent_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/meshtest"
)

// unsteady are the lines that depend on which node came first, and when.
func unsteady(line string) bool {
	operation := strings.HasPrefix(line, "warren_host_operations_total") && !strings.Contains(line, "link-add")
	return operation || strings.HasPrefix(line, "warren_reconcile_total") ||
		strings.HasPrefix(line, "warren_reconcile_last_timestamp")
}

func TestMetrics(t *testing.T) {
	cluster(t, 3, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		machines[0].host.SetLeaks(map[string]uint64{"leak-pod": 3})
		_, body := machines[0].get("/metrics")
		ours := regexp.MustCompile(`(?m)^warren_.*$`).FindAllString(body, -1)
		ours = slices.DeleteFunc(ours, unsteady)
		want := []string{
			"warren_admission_policies_missing 0",
			"warren_cni_effective 1",
			"warren_device_receive_bytes_total 3000",
			"warren_device_transmit_bytes_total 4000",
			`warren_endpoints_set_total 0`,
			`warren_events_total{result="failed"} 0`,
			`warren_events_total{result="told"} 0`,
			`warren_firewall_packets_total{counter="leak-pod"} 3`,
			`warren_host_operations_total{kind="link-add"} 1`,
			`warren_info{backend="kernel",reason="it is a test",version="v1"} 1`,
			"warren_key_created_timestamp_seconds 1.7e+09",
			`warren_key_replacements_total 0`,
			"warren_mtu_bytes 1420",
			`warren_peers{state="connected"} 0`,
			`warren_peers{state="idle"} 2`,
			`warren_peers{state="missing"} 0`,
			`warren_peers{state="unanswered"} 0`,
			`warren_peers_desired 2`,
			`warren_peers_held 0`,
			`warren_peers_programmed 2`,
			`warren_peers_unanswered 0`,
			`warren_reconcile_last_duration_seconds 0`,
			`warren_reconcile_last_outcome{outcome="error"} 0`,
			`warren_reconcile_last_outcome{outcome="success"} 1`,
			`warren_reconcile_last_outcome{outcome="waiting"} 0`,
			`warren_stray_pods 0`,
			`warren_watch_restarts_total 0`,
		}
		if diff := cmp.Diff(want, ours); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestHealthzTellsAStuckWorker(t *testing.T) {
	cluster(t, 1, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		release := a.host.hold()
		a.host.meddle(dropRoutes)
		time.Sleep(4 * time.Minute)
		if code, body := a.get("/healthz"); code != 200 {
			t.Errorf("after 4 minutes: %d %s", code, body)
		}
		time.Sleep(2 * time.Minute)
		if code, body := a.get("/healthz"); code != 503 || body != "a pass has been under way for 6m0s\n" {
			t.Errorf("after 6 minutes: %d %q", code, body)
		}
		release()
		synctest.Wait()
		if code, _ := a.get("/healthz"); code != 200 {
			t.Error("not alive after the pass has ended")
		}
	})
}

// What only a restart mends is for the liveness probe, which restarts the container.
func TestHealthzTellsDeletedDirectories(t *testing.T) {
	cluster(t, 1, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		a.lost.Store(errors.New("directory /run/warren was deleted"))
		const reason = "directory /run/warren was deleted"
		if code, body := a.get("/readyz"); code != 503 || !strings.HasPrefix(body, "host directories: "+reason+"\n") {
			t.Errorf("/readyz: %d %q", code, body)
		}
		if code, body := a.get("/healthz"); code != 503 || body != reason+"\n" {
			t.Errorf("/healthz: %d %q", code, body)
		}
		if got := logged(a.log.read(), reason); len(got) != 1 {
			t.Errorf("log: %q", got)
		}
	})
}

// What keeps an endpoint from being served is told wherever the daemon can still be asked. The node is ready.
func TestUnservedEndpointIsAWarning(t *testing.T) {
	cluster(t, 1, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		for range 3 {
			a.agent.Serves(agent.Metrics, errors.New("port 18787 is taken"))
		}
		const warning = "warning: serve metrics: port 18787 is taken\n"
		if code, body := a.get("/readyz"); code != 200 || !strings.Contains(body, warning) {
			t.Errorf("/readyz: %d %s", code, body)
		}
		const metric = `warren_warning{step="serve metrics"} 1`
		if _, body := a.get("/metrics"); !strings.Contains(body, metric) {
			t.Error("no metric " + metric)
		}
		if got := logged(a.log.read(), "port 18787 is taken"); len(got) != 1 {
			t.Errorf("log: %q", got)
		}
		a.agent.Serves(agent.Metrics, nil)
		if _, body := a.get("/readyz"); strings.Contains(body, "warning") {
			t.Errorf("served, and /readyz says %s", body)
		}
	})
}

// Much of what is warned of has to do with what the node waits for, such as the way to an API server out of reach.
func TestUnreadyNodeWarnsToo(t *testing.T) {
	cluster(t, 1, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a := machines[0]
		a.agent.ReachesAPIServer(errors.New("10.96.0.1:443 is out of reach"))
		api.SetDown(true)
		settle()
		const want = "\nWireGuard: kernel, it is a test\nwarning: api server address: 10.96.0.1:443 is out of reach\n"
		code, body := a.get("/readyz")
		if code != 503 || strings.HasPrefix(body, want) || !strings.HasSuffix(body, want) {
			t.Errorf("%d %q, want reasons and then %q", code, body, want)
		}
	})
}

func TestNotReadyBeforeTheFirstPass(t *testing.T) {
	var api meshtest.API
	m := newMachine(&api, 1)
	synctest.Test(t, func(t *testing.T) {
		m.start()
		m.end()
	})
	if code, _ := m.get("/readyz"); code != 503 {
		t.Error("ready without a Node")
	}
}

// What the daemon waited for is there, but the pass that uses it is still under way: pods cannot be attached yet.
func TestNotReadyBeforeThePassHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var api meshtest.API
		api.Create(object(1))
		api.SetDown(true)
		m := newMachine(&api, 1)
		m.start()
		settle()
		release := m.host.hold()
		api.SetDown(false)
		settle()
		if code, _ := m.get("/readyz"); code != 503 {
			t.Error("ready before the host was programmed")
		}
		release()
		settle()
		if code, body := m.get("/readyz"); code != 200 || body != "ok\nWireGuard: kernel, it is a test\n" {
			t.Errorf("not ready: %d %s", code, body)
		}
		m.end()
	})
}

func TestReservedAddressesAreAWarning(t *testing.T) {
	cluster(t, 1, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		a.agent.FreesAddresses(errors.New("veth7 is no known pod's"))
		const warning = "warning: stale addresses: veth7 is no known pod's\n"
		if code, body := a.get("/readyz"); code != 200 || !strings.Contains(body, warning) {
			t.Errorf("/readyz: %d %s", code, body)
		}
		a.agent.FreesAddresses(nil)
		if _, body := a.get("/readyz"); strings.Contains(body, "warning") {
			t.Errorf("freed, and /readyz says %s", body)
		}
	})
}

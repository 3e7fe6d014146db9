package agent_test

import (
	"errors"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
)

// nowhere is an endpoint that nobody announces.
var nowhere = netip.MustParseAddrPort("198.51.100.7:4711")

// initiate has a's device begin handshakes with b, as its own timer does, and returns where they go in the end.
func initiate(a, b *machine, tries int) (endpoint netip.AddrPort) {
	for range tries {
		endpoint = a.host.Traffic(b.key, 148, 0)
		settle()
	}
	return endpoint
}

// A peer to which packets go and from which none come gets its announced endpoint again, then its other one, and all
// that tell of it do so once.
func TestSilentPeerGetsItsEndpointAgain(t *testing.T) {
	cluster(t, 2, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a, b := machines[0], machines[1]
		a.host.Handshake(b.key, nowhere, time.Now())
		settle()
		a.host.activity()
		if got := initiate(a, b, 4); got != nowhere {
			t.Errorf("after 15 seconds: endpoint %v", got)
		}
		for _, want := range object(2).NodeIPs {
			if got := initiate(a, b, 4); got.Addr() != want {
				t.Errorf("endpoint %v, want one at %v", got, want)
			}
		}
		log := a.log.read()
		if len(log) != 2 || !strings.Contains(log[0], "peer does not answer, another endpoint set") {
			t.Errorf("log %q", log)
		}
		if _, wrote := a.host.activity(); !maps.Equal(wrote, map[string]uint64{"peer-set": 2}) {
			t.Errorf("wrote %v", wrote)
		}
		wantMetrics(t, a, "warren_peers_unanswered 1", "warren_endpoints_set_total 2")
		a.host.Traffic(b.key, 0, 92)
		settle()
		wantMetrics(t, a, "warren_peers_unanswered 0", "warren_endpoints_set_total 2")
		if code, _ := a.get("/readyz"); code != 200 {
			t.Error("a silent peer is no fault of the node, which is not ready")
		}
	})
}

func wantMetrics(t *testing.T, m *machine, lines ...string) {
	t.Helper()
	_, body := m.get("/metrics")
	for _, line := range lines {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("the metrics lack %q", line)
		}
	}
}

// It gets it also while the API server is away, and when the own Node is missing.
func TestSilentPeerDuringAnOutage(t *testing.T) {
	cluster(t, 2, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a, b := machines[0], machines[1]
		a.host.Handshake(b.key, nowhere, time.Now())
		api.Delete(a.name)
		settle()
		if got := initiate(a, b, 6); got.Addr() != object(2).NodeIPs[0] {
			t.Errorf("endpoint %v", got)
		}
	})
}

// A device that fails is for the next pass to look at.
func TestSilentPeerOfADeviceThatFails(t *testing.T) {
	cluster(t, 2, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a, b := machines[0], machines[1]
		a.host.Handshake(b.key, nowhere, time.Now())
		settle()
		a.host.fail(errors.New("no device"), errors.New("no device"))
		initiate(a, b, 4)
		if code, body := a.get("/readyz"); code != 503 || !strings.Contains(body, "no device") {
			t.Errorf("/readyz is %d: %s", code, body)
		}
		a.host.fail(nil, nil)
	})
}

// How the peers of a device fare that does not answer any more is not known: a minute later nothing says that they are
// connected.
func TestPeersOfASilentDevice(t *testing.T) {
	cluster(t, 2, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a, b := machines[0], machines[1]
		a.host.Handshake(b.key, nowhere, time.Now())
		settle()
		wantMetrics(t, a, `warren_peers{state="connected"} 1`, "warren_peers_unanswered 0")
		a.host.silent.Store(true)
		time.Sleep(time.Minute)
		wantMetrics(t, a, `warren_peers{state="connected"} 1`)
		time.Sleep(2 * time.Second)
		if _, body := a.get("/metrics"); strings.Contains(body, "warren_peers{") ||
			strings.Contains(body, "warren_peers_unanswered") {
			t.Errorf("the device was not read for a minute, and the metrics are\n%s", body)
		}
		if r := a.agent.Report(); !r.ObservedAt.IsZero() || len(r.Peers) > 0 || r.Status == nil {
			t.Errorf("the device was not read for a minute, and the report is %+v", r)
		}
		a.host.silent.Store(false)
		settle()
		wantMetrics(t, a, `warren_peers{state="connected"} 1`, "warren_peers_unanswered 0")
		if r := a.agent.Report(); r.ObservedAt.IsZero() || len(r.Peers) != 1 {
			t.Errorf("the device answers again, and the report is %+v", r)
		}
	})
}

// A pass that takes long is not waited for, and the peer is not forgotten.
func TestSilentPeerDuringALongPass(t *testing.T) {
	cluster(t, 2, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a, b := machines[0], machines[1]
		a.host.Handshake(b.key, nowhere, time.Now())
		settle()
		release := a.host.hold()
		a.host.meddle(dropRoutes)
		if got := initiate(a, b, 6); got != nowhere {
			t.Errorf("during the pass: endpoint %v", got)
		}
		release()
		a.host.Traffic(b.key, 148, 0)
		if got := initiate(a, b, 5); got.Addr() != object(2).NodeIPs[0] {
			t.Errorf("after the pass: endpoint %v", got)
		}
	})
}

// A handshake of the own device that lies in the future tells that the clock was set back: the node says it until a
// later handshake with that peer, or the clock, ends it.
func TestClockSetBackIsAWarning(t *testing.T) {
	cluster(t, 2, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a, b := machines[0], machines[1]
		endpoint := a.host.Traffic(b.key, 0, 0)
		for _, step := range []struct {
			at   time.Duration
			want bool
		}{{0, false}, {5 * time.Second, false}, {time.Hour, true}, {0, false}} {
			a.host.Handshake(b.key, endpoint, time.Now().Add(step.at))
			time.Sleep(2 * time.Second)
			code, body := a.get("/readyz")
			const warning = "warning: clock: this node's clock was set back by "
			if got := strings.Contains(body, warning); got != step.want || code != 200 {
				t.Errorf("a handshake in %v: /readyz %d: %s", step.at, code, body)
			}
		}
		a.host.Handshake(b.key, endpoint, time.Now().Add(time.Hour))
		time.Sleep(59 * time.Minute)
		wantMetrics(t, a, `warren_warning{step="clock"} 1`)
		time.Sleep(time.Minute)
		if _, body := a.get("/readyz"); strings.Contains(body, "clock") {
			t.Errorf("the clock has caught up: %s", body)
		}
		said := 0
		for _, line := range a.log.read() {
			if strings.Contains(line, "clock") {
				said++
			}
		}
		if said != 4 {
			t.Errorf("%d lines in the log, want one for each beginning and end: %q", said, a.log.read())
		}
	})
}

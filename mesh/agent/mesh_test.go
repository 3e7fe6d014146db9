package agent_test

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

func wantPeers(t *testing.T, m *machine, want ...keys.Public) {
	t.Helper()
	slices.SortFunc(want, func(a, b keys.Public) int { return slices.Compare(a[:], b[:]) })
	got := m.host.peers()
	slices.SortFunc(got, func(a, b keys.Public) int { return slices.Compare(a[:], b[:]) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: peers (-want +got):\n%s", m.name, diff)
	}
}

// logged are the lines with text in them.
func logged(lines []string, text string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !strings.Contains(line, text) })
}

func TestNodesJoinAndLeave(t *testing.T) {
	cluster(t, 3, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a, b, c := machines[0], machines[1], machines[2]
		wantPeers(t, a, b.key, c.key)
		wantPeers(t, b, a.key, c.key)
		wantPeers(t, c, a.key, b.key)
		for _, m := range machines {
			if n := api.Node(m.name); !n.NetworkAvailable || n.Announcement.PublicKey != m.key.String() {
				t.Errorf("%s: %+v", m.name, n)
			}
			if code, body := m.get("/readyz"); code != 200 {
				t.Errorf("%s is not ready: %s", m.name, body)
			}
		}
		c.end()
		api.Delete(c.name)
		settle()
		wantPeers(t, a, b.key)
		if got := logged(a.log.read(), "peer removed"); len(got) != 1 || !strings.Contains(got[0], c.name) {
			t.Errorf("log of c's end: %q", got)
		}
		c.start() // its own Node is missing: what it has is kept
		settle()
		wantPeers(t, c, a.key, b.key)
	})
}

func TestHandshakesWithNewPeersOnly(t *testing.T) {
	cluster(t, 2, func(t *testing.T, api *meshtest.API, machines []*machine) {
		api.Create(announced(9))
		settle()
		peers, want := machines[0].host.Initiated(), mesh.Gateway(object(9).PodCIDRs[0])
		if len(peers) != 1 || peers[0].Gateway() != want {
			t.Errorf("handshakes with %v, want %v", peers, want)
		}
		machines[0].host.activity()
		api.Update(name(9), func(n *meshtest.Node) { n.Overrides.ForceEndpoint = "198.51.100.9:1" })
		settle()
		_, wrote := machines[0].host.activity()
		peers = machines[0].host.Initiated()
		if len(peers) != 0 || !maps.Equal(wrote, map[string]uint64{"peer-set": 1}) {
			t.Errorf("after another endpoint: handshakes with %v, wrote %v", peers, wrote)
		}
	})
}

// An endpoint that the kernel has learnt from a handshake is newer than any announcement, until there is another one.
func TestRoamedEndpointIsKept(t *testing.T) {
	cluster(t, 2, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a, b := machines[0], machines[1]
		roamed := netip.MustParseAddrPort("198.51.100.7:4711")
		a.host.Handshake(b.key, roamed, time.Now())
		endpoint := func() netip.AddrPort { return a.host.now().Peers[0].Endpoint }
		for what, happen := range map[string]func(){
			"drift":   func() { a.host.meddle(dropRoutes) },
			"restart": func() { a.end(); a.start() },
			"join":    func() { api.Create(announced(9)) },
			"leave":   func() { api.Delete(name(9)) },
		} {
			happen()
			settle()
			if got := endpoint(); got != roamed {
				t.Errorf("%s: endpoint %v", what, got)
			}
		}
		api.Update(b.name, func(n *meshtest.Node) { n.Overrides.ForceEndpoint = "203.0.113.1:1" })
		settle()
		if got := endpoint().String(); got != "203.0.113.1:1" {
			t.Errorf("announced anew: endpoint %v", got)
		}
	})
}

// The cluster CIDRs are in the status; none at all are told too.
func TestClusterCIDRsAreTold(t *testing.T) {
	cluster(t, 1, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		m := machines[0]
		for _, want := range [][]netip.Prefix{m.config.ClusterCIDRs, nil} {
			m.end()
			m.config.ClusterCIDRs = want
			m.start()
			settle()
			if got := m.agent.Status().Snapshot().ClusterCIDRs; got == nil || !slices.Equal(got, want) {
				t.Errorf("%v are told, want %v", got, want)
			}
		}
	})
}

func TestRestartChangesNothing(t *testing.T) {
	cluster(t, 3, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		a.end()
		a.start()
		settle()
		observed, wrote := a.host.activity()
		if peers := a.host.Initiated(); observed != 1 || len(wrote)+len(peers) != 0 {
			t.Errorf("observed %d times, wrote %v, handshakes with %v", observed, wrote, peers)
		}
		if writes := a.cluster.Writes(); len(writes) != 0 {
			t.Errorf("wrote %v", writes)
		}
		if a.attachments.written != 1 {
			t.Errorf("CNI configuration written %d times", a.attachments.written)
		}
	})
}

func TestGarbageIsOneNodesProblem(t *testing.T) {
	cluster(t, 2, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a, b := machines[0], machines[1]
		bad := announced(9)
		bad.Announcement.PodCIDRs = "10.244.9.0/24;rm -rf"
		api.Create(bad)
		api.Create(announced(8))
		settle()
		wantPeers(t, a, b.key, key(8))
		const metric = `warren_node_problems{field="pod-cidrs"} 1`
		if _, body := a.get("/metrics"); !strings.Contains(body, metric) {
			t.Error("no metric " + metric)
		}
		api.Update(name(9), func(n *meshtest.Node) { n.Announcement = announced(9).Announcement })
		settle()
		wantPeers(t, a, b.key, key(8), key(9))
		if _, body := a.get("/metrics"); strings.Contains(body, metric) {
			t.Error("the metric outlives its problem")
		}
		lines := a.log.read()
		for _, text := range []string{"node has a problem", "node's problem is gone"} {
			got := logged(lines, text)
			if len(got) != 1 || !strings.Contains(got[0], "node=node-0009 field=pod-cidrs") {
				t.Errorf("%s: %q", text, got)
			}
		}
	})
}

// One node's change costs the same among a thousand as among ten.
func TestOneNodeAmongAThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var api meshtest.API
		api.Create(object(1))
		var others []meshtest.Node
		for n := 2; n <= 1000; n++ {
			others = append(others, far(n))
		}
		api.Create(others...)
		m := newMachine(&api, 1)
		m.config.ClusterCIDRs[0] = netip.MustParsePrefix("10.0.0.0/8")
		m.start()
		defer m.end()
		settle()
		if got := len(m.host.peers()); got != 999 {
			t.Fatalf("%d peers", got)
		}
		m.host.activity()
		for what, change := range map[string]func(){
			"joins": func() { api.Create(far(1001)) },
			"moves": func() {
				api.Update(name(500), func(n *meshtest.Node) { n.Overrides.ForceEndpoint = "198.51.100.9:1" })
			},
			"restarts": func() {
				api.Update(name(600),
					func(n *meshtest.Node) { n.Key, n.Announcement.PublicKey = private(2000), key(2000).String() })
			},
			"leaves": func() { api.Delete(name(700)) },
		} {
			change()
			settle()
			observed, wrote := m.host.activity()
			total := uint64(0)
			for _, n := range wrote {
				total += n
			}
			if observed != 0 || total == 0 || total > 6 {
				t.Errorf("a node that %s: observed %d times, wrote %v", what, observed, wrote)
			}
		}
	})
}

// TestStolenKeyTakesNobodyOff has an elder Node announce a younger one's key, which it does not have.
func TestStolenKeyTakesNobodyOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var api meshtest.API
		thief := announced(9)
		thief.Key = keys.Private{}
		thief.Announcement = mesh.Announcement{}
		api.Create(thief, object(1), object(2))
		a, b := newMachine(&api, 1), newMachine(&api, 2)
		for _, m := range []*machine{a, b} {
			m.start()
			defer m.end()
		}
		settle()
		for _, proof := range []string{"", api.Node(b.name).Announcement.Proof} {
			api.Update(name(9), func(n *meshtest.Node) {
				n.Announcement = announced(9).Announcement
				n.Announcement.PublicKey, n.Announcement.Proof = b.key.String(), proof
			})
			settle()
			wantPeers(t, a, b.key)
			wantPeers(t, b, a.key)
			for _, m := range []*machine{a, b} {
				if code, body := m.get("/readyz"); code != 200 {
					t.Errorf("%s is not ready: %s", m.name, body)
				}
				if _, body := m.get("/metrics"); !strings.Contains(body, `field="proof"`) {
					t.Errorf("%s does not say who is at fault", m.name)
				}
			}
		}
	})
}

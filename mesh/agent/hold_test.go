package agent_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/meshtest"
)

// dropRoutes deletes all routes.
func dropRoutes(s *mesh.State) { s.Routes = nil }

func TestOutageFreezesTheMesh(t *testing.T) {
	cluster(t, 3, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a := machines[0]
		before := a.host.now()
		api.SetDown(true)
		settle()
		if code, body := a.get("/readyz"); code != 503 || !strings.Contains(body, "connection refused") {
			t.Errorf("/readyz: %d %s", code, body)
		}
		a.host.meddle(dropRoutes)
		settle()
		if diff := cmp.Diff(before, a.host.now(), addresses); diff != "" {
			t.Errorf("the last mesh is not repaired (-before +after):\n%s", diff)
		}
		a.host.activity()
		a.end()
		a.start() // knows nothing of the cluster
		settle()
		if _, wrote := a.host.activity(); len(wrote) != 0 {
			t.Errorf("restarted while the API is down: wrote %v", wrote)
		}
		if code, _ := a.get("/healthz"); code != 200 {
			t.Error("waiting for the API is not being dead")
		}
		api.SetDown(false)
		settle()
		if _, wrote := a.host.activity(); len(wrote) != 0 {
			t.Errorf("API back: wrote %v", wrote)
		}
		if code, body := a.get("/readyz"); code != 200 {
			t.Errorf("not ready: %s", body)
		}
	})
}

// A daemon that starts without an API, after the ruleset was flushed, guards its pods and the nodes that it finds.
func TestGuardComesBackWithoutTheAPI(t *testing.T) {
	cluster(t, 3, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a := machines[0]
		before := a.host.now()
		api.SetDown(true)
		a.end()
		a.host.Meddler().FlushRuleset()
		a.start()
		settle()
		got := a.host.now()
		if got.Firewall.Link == "" || len(got.Firewall.NodeIPs) != 2*2 {
			t.Errorf("the guard is %+v, want one with the addresses of two other nodes", got.Firewall)
		}
		got.Firewall = before.Firewall
		if diff := cmp.Diff(before, got, addresses); diff != "" {
			t.Errorf("more than the guard has changed (-before +after):\n%s", diff)
		}
		api.SetDown(false)
		settle()
		if diff := cmp.Diff(before, a.host.now(), addresses); diff != "" {
			t.Errorf("API back (-before +after):\n%s", diff)
		}
	})
}

// A daemon that starts without an API makes what it knows fail closed, and keeps what it finds, known or not.
func TestNothingIsRemovedBeforeTheFirstList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var api meshtest.API
		api.Create(object(1))
		api.SetDown(true)
		m := newMachine(&api, 1)
		left := mesh.State{
			Link: mesh.Link{
				Name: "warren0", MTU: 1300, Up: true,
				Addresses: []netip.Prefix{netip.MustParsePrefix("10.244.7.1/32")},
			},
			Device: mesh.Device{PublicKey: key(77), Port: 1},
			Peers:  []mesh.Peer{{PublicKey: key(9)}},
			Routes: []mesh.Route{
				{Table: mesh.TableMain, Destination: netip.MustParsePrefix("10.244.9.0/24"), Link: "warren0"},
			},
			Rules: []mesh.Rule{{Mark: 5, Mask: 5, Table: mesh.TableNodes}},
			Sysctls: []mesh.Sysctl{
				{Name: mesh.Forwarding("warren0"), Value: "1"}, {Name: mesh.DisableIPv6("warren0"), Value: "0"},
			},
		}
		m.host.meddle(func(s *mesh.State) { *s = left })
		m.start()
		settle()
		got := m.host.now()
		if len(got.Routes) != 1+4 {
			t.Errorf("want two unreachable routes for each cluster CIDR more: %v", got.Routes)
		}
		if len(got.Firewall.ClusterCIDRs) != 2 {
			t.Errorf("the guard is %+v, want one for both cluster CIDRs", got.Firewall)
		}
		got.Routes, got.Firewall = left.Routes, left.Firewall
		if diff := cmp.Diff(left, got, addresses); diff != "" {
			t.Errorf("(-found +left):\n%s", diff)
		}
		if m.attachments.written != 0 {
			t.Error("CNI configuration written before anything was programmed")
		}
		api.SetDown(false)
		settle()
		got = m.host.now()
		if len(got.Peers) != 0 || len(slices.Compact(got.Routes)) != 4 || len(got.Routes) != 4 {
			t.Errorf("what is stale is pruned once the cluster is known: %v", got)
		}
		m.end()
	})
}

// unsynced knows some Nodes, the own one among them, and says that they are not all.
type unsynced struct{ *meshtest.Cluster }

func (unsynced) Synced() bool    { return false }
func (unsynced) Waiting() string { return "the first list of Nodes" }

func TestHalfAListIsNone(t *testing.T) {
	cluster(t, 3, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a, b, c := machines[0], machines[1], machines[2]
		a.end()
		a.view = func(c *meshtest.Cluster) agent.Cluster { return unsynced{c} }
		api.Delete(c.name)
		a.start()
		settle()
		wantPeers(t, a, b.key, c.key)
		if _, wrote := a.host.activity(); len(wrote) != 0 {
			t.Errorf("wrote %v", wrote)
		}
	})
}

func TestOwnNodeMissing(t *testing.T) {
	cluster(t, 3, func(t *testing.T, api *meshtest.API, machines []*machine) {
		a, b, c := machines[0], machines[1], machines[2]
		api.Delete(a.name, c.name)
		settle()
		wantPeers(t, a, b.key, c.key)
		if code, body := a.get("/readyz"); code != 503 || !strings.Contains(body, "no Node named "+a.name) {
			t.Errorf("/readyz: %d %s", code, body)
		}
		if code, _ := a.get("/healthz"); code != 200 {
			t.Error("liveness must stay green")
		}
		const metric = `warren_waiting{step="own node"} 1`
		if _, body := a.get("/metrics"); !strings.Contains(body, metric) {
			t.Error("no metric")
		}
		if got := logged(a.log.read(), "no Node named"); len(got) != 1 {
			t.Errorf("log: %q", got)
		}
		before := a.host.now()
		a.host.meddle(dropRoutes)
		settle()
		if diff := cmp.Diff(before, a.host.now(), addresses); diff != "" {
			t.Errorf("drift while the own Node is missing (-before +after):\n%s", diff)
		}
		if writes := a.cluster.Writes(); len(writes) != 0 || api.Node(a.name).Name != "" {
			t.Errorf("wrote %v, Node %v", writes, api.Node(a.name))
		}

		again := object(1)
		again.PodCIDRs = []netip.Prefix{
			netip.MustParsePrefix("10.244.44.0/24"), netip.MustParsePrefix("fd00:10:244:44::/64"),
		}
		a.attachments.set([]netip.Addr{netip.MustParseAddr("10.244.1.5")}, nil)
		api.Create(again)
		settle()
		wantPeers(t, a, b.key) // c is gone for good
		const cidrs = "10.244.44.0/24,fd00:10:244:44::/64"
		if got := api.Node(a.name); got.Announcement.PodCIDRs != cidrs || !got.NetworkAvailable {
			t.Errorf("published of the new Node: %+v", got)
		}
		want := []netip.Prefix{netip.MustParsePrefix("10.244.44.1/32"), netip.MustParsePrefix("fd00:10:244:44::1/128")}
		if diff := cmp.Diff(want, a.host.now().Link.Addresses, addresses); diff != "" {
			t.Errorf("addresses (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(again.PodCIDRs, a.attachments.podCIDRs, addresses); diff != "" {
			t.Errorf("CNI configuration (-want +got):\n%s", diff)
		}
		if got := logged(a.log.read(), "10.244.1.5"); len(got) != 1 {
			t.Errorf("stray pods in the log: %q", got)
		}
	})
}

func TestWaitsForAPodCIDR(t *testing.T) {
	cluster(t, 2, func(t *testing.T, api *meshtest.API, machines []*machine) {
		c := newMachine(api, 3)
		o := object(3)
		cidrs := o.PodCIDRs
		o.PodCIDRs = nil
		api.Create(o)
		c.start()
		defer c.end()
		settle()
		if code, body := c.get("/readyz"); code != 503 || !strings.Contains(body, "waiting for a pod CIDR") {
			t.Errorf("/readyz: %d %s", code, body)
		}
		lines := c.log.read()
		if len(logged(lines, "level=ERROR")) != 0 || len(logged(lines, "waiting for a pod CIDR")) != 1 {
			t.Errorf("log: %q", lines)
		}
		api.Update(c.name, func(n *meshtest.Node) { n.PodCIDRs = cidrs })
		settle()
		wantPeers(t, c, machines[0].key, machines[1].key)
		if code, body := c.get("/readyz"); code != 200 {
			t.Errorf("/readyz: %d %s", code, body)
		}
	})
}

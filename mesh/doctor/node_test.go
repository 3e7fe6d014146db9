package doctor_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

var now = time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)

// wellNode is of a node that has one peer and no trouble.
func wellNode() doctor.Node {
	s := status.Snapshot{
		Node: "node-a", Daemon: status.Daemon{Version: "v1.4.0", Backend: "kernel"}, Policies: status.PoliciesInForce,
	}.Begin(now).End(now)
	at := netip.MustParseAddrPort("192.0.2.2:51820")
	return doctor.Node{
		Report: status.Report{
			APIVersion: status.APIVersion, Kind: status.ReportKind, Source: status.SourceDaemon, ObservedAt: now,
			Status: &s,
			Peers: []status.Peer{{
				Node: "node-b", State: mesh.PeerConnected, PublicKey: keys.Public{1}, Endpoint: at, Announced: at,
			}},
			GuardPackets: map[string]uint64{"leak-pod": 7},
		},
		Rival: &doctor.Rival{}, Guard: doctor.GuardWhole, Drops: map[string]uint64{"leak-pod": 0},
		Watched: 2 * time.Second, KeyMade: now.Add(-24 * time.Hour),
		Firewalls: []doctor.Firewall{},
		MTU:       &doctor.MTU{Link: 1420, Paths: map[netip.Addr]int{at.Addr(): 1500}},
	}
}

// update changes the daemon's own view.
func update(n *doctor.Node, edit func(status.Snapshot) status.Snapshot) {
	s := edit(*n.Report.Status)
	n.Report.Status = &s
}

func TestWellNode(t *testing.T) {
	n := wellNode()
	checks := doctor.CheckNode(n)
	for _, c := range checks {
		if c.Result != view.OK || c.Remedy != "" {
			t.Errorf("%+v", c)
		}
	}
	on := 0
	for _, e := range doctor.Entries() {
		if e.Scope != doctor.OnCluster {
			on++
		}
	}
	if len(checks) != on {
		t.Errorf("%d checks, want %d", len(checks), on)
	}
}

// Without a daemon nothing that it alone knows is well.
func TestNodeWithoutDaemon(t *testing.T) {
	n := wellNode()
	n.Report.Status, n.Report.Source = nil, status.SourceKernel
	ofKernel := map[doctor.ID]bool{
		doctor.Sessions: true, doctor.CNIConfiguration: true, doctor.PathMTU: true, doctor.GuardUnaltered: true,
		doctor.GuardDrops: true, doctor.KeyAge: true, doctor.HostFirewall: true,
	}
	for _, c := range doctor.CheckNode(n) {
		want := view.Unknown
		if ofKernel[doctor.ID(c.ID)] {
			want = view.OK
		}
		if c.Result != want {
			t.Errorf("%s: %s, want %s", c.ID, c.Result, want)
		}
	}
}

// What was not read is unknown, whatever the daemon says.
func TestNothingRead(t *testing.T) {
	for _, c := range doctor.CheckNode(doctor.Node{}) {
		if c.Result != view.Unknown {
			t.Errorf("%s: %s", c.ID, c.Result)
		}
	}
}

// Each fault is found by one check, with its remedy and runbook.
func TestFindings(t *testing.T) {
	step := func(step status.Step, err error) func(*doctor.Node) {
		return func(n *doctor.Node) {
			update(n, func(s status.Snapshot) status.Snapshot { return s.Report(step, err, now).Begin(now).End(now) })
		}
	}
	warning := func(step status.Step) func(*doctor.Node) {
		return func(n *doctor.Node) {
			update(n, func(s status.Snapshot) status.Snapshot { return s.Warn(step, "doubt", now) })
		}
	}
	problem := func(node string, field mesh.Field) func(*doctor.Node) {
		return func(n *doctor.Node) {
			list := []mesh.Problem{{Node: node, Field: field, Reason: "bad"}}
			update(n, func(s status.Snapshot) status.Snapshot { return s.WithProblems(list, now) })
		}
	}
	peer := func(change func(*status.Peer)) func(*doctor.Node) {
		return func(n *doctor.Node) { change(&n.Report.Peers[0]) }
	}
	waiting := fmt.Errorf("%w for it", mesh.ErrWaiting)
	elsewhere := netip.MustParseAddrPort("198.51.100.7:4711")
	for _, tt := range []struct {
		change func(*doctor.Node)
		result view.Result
		detail string
		ids    []doctor.ID
	}{
		{step(status.StepAPI, waiting), view.Fail, "for it", []doctor.ID{doctor.APIServer, doctor.DaemonReady}},
		{warning(status.StepWay), view.Warn, "doubt", []doctor.ID{doctor.APIServer}},
		{func(n *doctor.Node) {
			update(n, func(s status.Snapshot) status.Snapshot { s.Policies = status.PoliciesMissing; return s })
		}, view.Warn, "nothing checks", []doctor.ID{doctor.AdmissionPolicies}},
		{func(n *doctor.Node) {
			update(n, func(s status.Snapshot) status.Snapshot {
				s.Enforcement = s.Enforcement.Warn(status.StepServices, "IPVS", now)
				return s
			})
		}, view.Warn, "IPVS", []doctor.ID{doctor.Services}},
		{problem("node-c", mesh.FieldNodeIPs), view.Fail, "node-c: node-ips: bad", []doctor.ID{doctor.NodesInMesh}},
		{problem("node-b", mesh.FieldEndpoint), view.Warn, "node-b: endpoint: bad", []doctor.ID{doctor.NodesInMesh}},
		{problem("node-c", mesh.FieldPodCIDRs), view.Fail, "node-c: bad", []doctor.ID{doctor.ClusterCIDRs}},
		{peer(func(p *status.Peer) { p.State = mesh.PeerUnanswered }), view.Fail, "unanswered: node-b",
			[]doctor.ID{doctor.Sessions}},
		{peer(func(p *status.Peer) { p.Endpoint, p.KeepaliveSeconds = elsewhere, 25 }), view.Warn, elsewhere.String(),
			[]doctor.ID{doctor.Endpoints}},
		{func(n *doctor.Node) { n.Rival.File = "/etc/cni/net.d/05-x.conf" }, view.Fail, "05-x.conf",
			[]doctor.ID{doctor.CNIConfiguration}},
		{func(n *doctor.Node) { *n.Rival = doctor.Rival{File: "00-multus.conf", Delegates: true} }, view.Warn,
			"refers to warren's", []doctor.ID{doctor.CNIConfiguration}},
		{warning(status.StepOthers), view.Warn, "doubt", []doctor.ID{doctor.HostFirewall}},
		{step(status.StepFirewall, errors.New("no")), view.Fail, "no",
			[]doctor.ID{doctor.DaemonReady, doctor.HostFirewall}},
		{func(n *doctor.Node) { n.Firewalls = []doctor.Firewall{{Text: "it may drop"}} }, view.Warn, "it may drop",
			[]doctor.ID{doctor.HostFirewall}},
		{func(n *doctor.Node) {
			warning(status.StepOthers)(n)
			n.Firewalls = []doctor.Firewall{{Text: "it may drop"}, {Text: "it drops", Surely: true}}
		}, view.Fail, "it drops", []doctor.ID{doctor.HostFirewall}},
		{func(n *doctor.Node) { n.MTU.Paths[netip.MustParseAddr("192.0.2.2")] = 1300 }, view.Fail, "1300 to 192.0.2.2",
			[]doctor.ID{doctor.PathMTU}},
		{func(n *doctor.Node) { n.Guard = doctor.GuardAltered }, view.Fail, "changed",
			[]doctor.ID{doctor.GuardUnaltered}},
		{func(n *doctor.Node) { n.Guard = doctor.GuardAbsent }, view.Fail, "no table",
			[]doctor.ID{doctor.GuardUnaltered}},
		{func(n *doctor.Node) { n.Drops["leak-pod"] = 3 }, view.Warn, "leak-pod 3", []doctor.ID{doctor.GuardDrops}},
		{func(n *doctor.Node) {
			update(n, func(s status.Snapshot) status.Snapshot { s.Daemon.Backend = "userspace"; return s })
			n.KernelWireGuard = new(bool)
			*n.KernelWireGuard = true
		}, view.Warn, "the kernel has WireGuard", []doctor.ID{doctor.Backend}},
		{func(n *doctor.Node) {
			stray := []netip.Addr{netip.MustParseAddr("10.9.0.2")}
			update(n, func(s status.Snapshot) status.Snapshot { s.Pods.Strays = stray; return s })
		}, view.Warn, "10.9.0.2", []doctor.ID{doctor.StrayPods}},
		{func(n *doctor.Node) { n.KeyMade = now.AddDate(-2, 0, 0) }, view.Warn, "2024-11-28",
			[]doctor.ID{doctor.KeyAge}},
	} {
		n := wellNode()
		tt.change(&n)
		found := view.NotWell(doctor.CheckNode(n))
		var ids []doctor.ID
		for _, c := range found {
			ids = append(ids, doctor.ID(c.ID))
			if c.Result != tt.result || !strings.Contains(c.Detail, tt.detail) || c.Remedy == "" ||
				c.Runbook != doctor.ID(c.ID).Anchor() {
				t.Errorf("%+v, want %s %q", c, tt.result, tt.detail)
			}
		}
		if fmt.Sprint(ids) != fmt.Sprint(tt.ids) {
			t.Errorf("%q is found by %v, want %v", tt.detail, ids, tt.ids)
		}
	}
}

// Before anybody has looked whether Services go around policies, and while nobody can, it is unknown; where no policies
// are kept, there is nothing to go around.
func TestServicesNotLookedFor(t *testing.T) {
	on := status.Enforcement{On: true}
	for _, tt := range []struct {
		of     status.Enforcement
		result view.Result
		detail string
	}{
		{on, view.Unknown, "has not looked yet"},
		{on.Warn(status.StepServicesUnread, "netlink is away", now), view.Unknown, "netlink is away"},
		{on.Report("policy support", errors.New("no tables of family bridge"), now), view.OK, ""},
		{status.Enforcement{}, view.OK, ""},
	} {
		n := wellNode()
		update(&n, func(s status.Snapshot) status.Snapshot { s.Enforcement = tt.of; return s })
		for _, c := range doctor.CheckNode(n) {
			if doctor.ID(c.ID) == doctor.Services && (c.Result != tt.result || !strings.Contains(c.Detail, tt.detail) ||
				c.Remedy != "") {
				t.Errorf("%+v, want %s %q", c, tt.result, tt.detail)
			}
		}
	}
}

// While the device is not read nobody knows whether a node with a problem is a peer, nor what the peers do.
func TestDeviceNotRead(t *testing.T) {
	n := wellNode()
	list := []mesh.Problem{{Node: "node-b", Field: mesh.FieldEndpoint, Reason: "bad"}}
	update(&n, func(s status.Snapshot) status.Snapshot { return s.WithProblems(list, now) })
	n.Report.Peers, n.Report.ObservedAt = nil, time.Time{}
	unknown := map[doctor.ID]bool{}
	for _, c := range view.NotWell(doctor.CheckNode(n)) {
		unknown[doctor.ID(c.ID)] = true
		if c.Result != view.Unknown {
			t.Errorf("%+v, want unknown", c)
		}
	}
	if !unknown[doctor.NodesInMesh] || !unknown[doctor.Sessions] {
		t.Errorf("unknown are %v", unknown)
	}
}

// A peer that roamed is behind NAT, and needs a keepalive; another endpoint that it announces is not roaming.
func TestRoamed(t *testing.T) {
	n := wellNode()
	n.Report.Peers[0].Endpoint = netip.MustParseAddrPort("198.51.100.7:4711")
	if got := len(view.NotWell(doctor.CheckNode(n))); got != 2 {
		t.Errorf("%d findings, want endpoint and keepalive", got)
	}
	n.Report.Peers[0].Alternatives = []netip.AddrPort{n.Report.Peers[0].Endpoint}
	if found := view.NotWell(doctor.CheckNode(n)); len(found) > 0 {
		t.Errorf("an announced endpoint: %+v", found)
	}
}

// TestKnownPathMTU: WireGuard adds 60 bytes with IPv4 outside and 80 with IPv6, and what a probe has measured counts
// more than what the kernel knows.
func TestKnownPathMTU(t *testing.T) {
	v4, v6 := "192.0.2.2", "2001:db8::2"
	for name, tt := range map[string]struct {
		endpoint       string
		path, measured int
		proven         int
		result         view.Result
		detail, remedy string
	}{
		"IPv4":                    {v4, 1480, 0, 0, view.OK, "", ""},
		"IPv4, a byte less":       {v4, 1479, 0, 0, view.Fail, "1479 to 192.0.2.2, which needs 1480", "to 1419 on all"},
		"IPv4 in IPv6's form":     {"::ffff:192.0.2.2", 1480, 0, 0, view.OK, "", ""},
		"IPv6":                    {v6, 1500, 0, 0, view.OK, "", ""},
		"IPv6, a byte less":       {v6, 1499, 0, 0, view.Fail, "1499 to 2001:db8::2, which needs", "to 1419 on all"},
		"measured":                {v4, 1400, 1420, 0, view.OK, "", ""},
		"measured to be narrow":   {v4, 1480, 1344, 0, view.Fail, "to node-b 1344", "to 1344 on all"},
		"proven":                  {v4, 1400, 0, 1420, view.OK, "", ""},
		"known, nothing measured": {v4, 1400, 0, 0, view.Fail, "1400 to 192.0.2.2", "to 1340 on all"},
	} {
		n := wellNode()
		endpoint := netip.AddrPortFrom(netip.MustParseAddr(tt.endpoint), 51820)
		n.Report.Peers[0].Endpoint, n.Report.Peers[0].Announced = endpoint, endpoint
		n.MTU.Paths = map[netip.Addr]int{endpoint.Addr(): tt.path}
		if tt.measured > 0 {
			n.Report.Peers[0].Probe = &status.Measurement{Sent: 1, Answered: 1, PathMTU: tt.measured}
		}
		if tt.proven > 0 {
			ping := status.Ping{Node: "node-b"}
			ping.Sent, ping.Answered, ping.PathMTU = 1, 1, tt.proven
			n.Proof = &doctor.Proof{
				Pings:  status.PingReport{ObservedAt: now, Node: "node-a", MTU: 1420, Peers: []status.Ping{ping}},
				Before: []status.Peer{{Node: "node-b"}},
				After:  []status.Peer{{Node: "node-b", SentBytes: 99, ReceivedBytes: 99}},
			}
		}
		for _, c := range doctor.CheckNode(n) {
			if c.ID == string(doctor.PathMTU) && (c.Result != tt.result || !strings.Contains(c.Detail, tt.detail) ||
				!strings.Contains(c.Remedy, tt.remedy)) {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
}

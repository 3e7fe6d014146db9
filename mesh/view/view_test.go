package view_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

var now = time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)

// report is of a node that is ready and has one peer in each state.
func report() status.Report {
	ready := status.Snapshot{
		Node:   "node-a",
		Daemon: status.Daemon{Version: "v1.4.0", Backend: "kernel", BackendReason: "the kernel has WireGuard"},
	}.Begin(now).End(now)
	at := netip.MustParseAddrPort("192.0.2.2:51820")
	return status.Report{
		APIVersion: status.APIVersion, Kind: status.ReportKind, Source: status.SourceDaemon, ObservedAt: now,
		Status: &ready, MTU: 1420,
		Peers: []status.Peer{
			{
				Node: "node-b", State: mesh.PeerConnected, PublicKey: keys.Public{1},
				LastHandshake: now.Add(-41 * time.Second), Endpoint: netip.MustParseAddrPort("198.51.100.7:4711"),
				Announced: at, AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.244.2.0/24")},
				Probe: &status.Measurement{
					At: now, Sent: 20, Answered: 19, RTT: &status.RoundTrips{Least: 3e-4, Mean: 4e-4, Most: 9e-4},
					PathMTU: 1280,
				},
				KeepaliveSeconds: 25, ReceivedBytes: 1 << 30 * 12 / 10, SentBytes: 900 << 20,
			},
			{Node: "node-c", State: mesh.PeerIdle, PublicKey: keys.Public{2}, Announced: at},
			{Node: "node-d", State: mesh.PeerMissing, PublicKey: keys.Public{3}, Announced: at},
			{
				Node: "node-17", State: mesh.PeerUnanswered, PublicKey: keys.Public{4}, Endpoint: at, Announced: at,
				SentBytes: 489 << 10, Probe: &status.Measurement{At: now, Sent: 20},
			},
		},
		GuardPackets: map[string]uint64{"leak-pod": 0, "masqueraded-into-mesh": 9},
	}
}

func written(t *testing.T, write func(*strings.Builder) error) string {
	t.Helper()
	var text strings.Builder
	if err := write(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func want(t *testing.T, want, got string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWritePeers(t *testing.T) {
	for format, text := range map[view.Format]string{
		view.Text: `
NODE     STATE       HANDSHAKE  ENDPOINT           RX      TX      RTT    LOSS  PATH-MTU
node-b   connected   41s        198.51.100.7:4711  1.2GiB  900MiB  0.4ms  5%    1280
node-c   idle        never      -                  0B      0B      -      -     -
node-d   missing     never      -                  0B      0B      -      -     -
node-17  unanswered  never      192.0.2.2:51820    0B      489KiB  -      100%  -
`,
		view.Name: "node-b\nnode-c\nnode-d\nnode-17\n",
	} {
		want(t, text, written(t, func(b *strings.Builder) error { return view.WritePeers(b, format, report()) }))
	}
	wide := written(t, func(b *strings.Builder) error { return view.WritePeers(b, view.Wide, report()) })
	for _, text := range []string{"192.0.2.2:51820  25s ", keys.Public{1}.String() + "  10.244.2.0/24\n"} {
		if !strings.Contains(wide, text) {
			t.Errorf("wide lacks %q:\n%s", text, wide)
		}
	}
}

// JSON and YAML hold the same, and give back what was written.
func TestDocuments(t *testing.T) {
	checks := view.CheckNode(report())
	write := func(f view.Format) string {
		return written(t, func(b *strings.Builder) error { return view.WriteNode(b, f, report(), checks) })
	}
	fromYAML, err := yaml.YAMLToJSON([]byte(write(view.YAML)))
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := json.Unmarshal([]byte(write(view.JSON)), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(fromYAML, &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("-json +yaml:\n%s", diff)
	}
	if version := a.(map[string]any)["apiVersion"]; version != "warren.mesh/v1" {
		t.Errorf("apiVersion %v", version)
	}
}

func TestWriteNode(t *testing.T) {
	r := report()
	checks := view.CheckNode(r)
	want(t, `
warren v1.4.0  node-a  WireGuard: kernel, the kernel has WireGuard
 ok    daemon
 ok    nodes
 FAIL  peers     2/4           missing: node-d; unanswered: node-17
 ok    guard     0 dropped
 warn  path MTU  1280 of 1420  node-a to node-b 1280; see W12 of doctor
Source: daemon, read at 2026-11-28 03:00:00Z.
`, written(t, func(b *strings.Builder) error { return view.WriteNode(b, view.Text, r, checks) }))
	if got := view.Exit(checks, false); got != view.ExitFinding {
		t.Errorf("exit status %d", got)
	}
}

// What was not read lately is said in the place of what was known once, of a node and of the cluster.
func TestDeviceThatWasNotRead(t *testing.T) {
	d := document()
	r := d.Reports["node-a"].Report
	r.Peers, r.ObservedAt = nil, time.Time{}
	d.Reports["node-a"] = view.NodeDocument{Report: r}
	want(t, `
How the peers fare is not known: the device has not been read in the last minute.
`, written(t, func(b *strings.Builder) error { return view.WritePeers(b, view.Text, r) }))
	const foot = "\nSource: daemon, the device has not been read in the last minute.\n"
	node := written(t, func(b *strings.Builder) error { return view.WriteNode(b, view.Text, r, view.CheckNode(r)) })
	if !strings.HasSuffix(node, foot) {
		t.Errorf("no %q at the end of\n%s", foot, node)
	}
	for _, c := range view.CheckCluster(d) {
		if c.Name == "reachable" && (c.Result != view.Unknown || !strings.HasPrefix(c.Detail, "node-a: the device")) {
			t.Errorf("%+v, want unknown", c)
		}
	}
}

// Without a daemon nothing that it alone knows is well, and the status says so.
func TestNodeWithoutDaemon(t *testing.T) {
	r := report()
	r.Status, r.Source, r.Peers = nil, status.SourceKernel, r.Peers[:2]
	r.Peers[0].Probe = nil // the daemon's
	checks := view.CheckNode(r)
	want(t, `
warren  this node
 unknown  daemon             it does not answer
 unknown  nodes              the daemon knows what is wrong with them
 ok       peers   2/2        1 idle: nothing goes to them, so nothing tells whether they answer
 ok       guard   0 dropped
Source: kernel, read at 2026-11-28 03:00:00Z.
`, written(t, func(b *strings.Builder) error { return view.WriteNode(b, view.Text, r, checks) }))
	if got := view.Exit(checks, false); got != view.ExitUnknown {
		t.Errorf("exit status %d", got)
	}
}

// An idle peer fails if the device has heard nothing since something went to it, whatever it answered before, and not
// because its daemon answers no probes: the device may.
func TestCheckPeersThatAreIdle(t *testing.T) {
	none, none20 := &status.Measurement{Sent: 1}, &status.Measurement{Sent: 20}
	none2, two20 := &status.Measurement{At: now, Sent: 2}, &status.Measurement{Sent: 20, Answered: 2}
	one := &status.Measurement{Sent: 1, Answered: 1}
	const idle = "1 idle: nothing goes to them, so nothing tells whether they answer"
	const doubt = "idle, and nothing tells whether they answer: node-b"
	for name, tt := range map[string]struct {
		asked, probe   *status.Measurement
		silent         bool
		unasked        string
		result         view.Result
		figure, detail string
	}{
		"nothing known":             {nil, nil, false, "", view.OK, "1/1", idle},
		"answered":                  {one, none20, false, "", view.OK, "1/1", ""},
		"answered in background":    {nil, one, false, "", view.OK, "1/1", ""},
		"asked, none of 21":         {none, none20, true, "", view.Fail, "0/1", "unanswered: node-b"},
		"none of 20":                {nil, none20, true, "", view.Fail, "0/1", "unanswered: node-b"},
		"two of 20, now silent":     {nil, two20, true, "", view.Fail, "0/1", "unanswered: node-b"},
		"asked too, now silent":     {none, two20, true, "", view.Fail, "0/1", "unanswered: node-b"},
		"silent, no probes":         {nil, nil, true, "", view.Fail, "0/1", "unanswered: node-b"},
		"silent until it was asked": {one, none20, true, "", view.OK, "1/1", ""},
		"its daemon is down":        {nil, none2, false, "", view.Unknown, "0/1", doubt},
		"asked, its daemon is down": {none, none2, false, "", view.Unknown, "0/1", doubt},
		"one lost":                  {none, nil, false, "", view.Unknown, "0/1", doubt},
		"not answered any more":     {none, one, false, "", view.Unknown, "0/1", doubt},
		"to be asked, and was not":  {nil, nil, false, "no socket", view.Unknown, "0/1", doubt + " (no socket)"},
		"not asked, but it answers": {nil, one, false, "no socket", view.OK, "1/1", ""},
	} {
		p := status.Peer{Node: "node-b", State: mesh.PeerIdle, Asked: tt.asked, Probe: tt.probe, Silent: tt.silent}
		if tt.probe == none2 {
			p.LastHandshake = none2.At
		}
		r := status.Report{ObservedAt: now, Peers: []status.Peer{p}, Unasked: tt.unasked}
		want := view.Check{Name: "peers", Result: tt.result, Figure: tt.figure, Detail: tt.detail}
		if got := view.CheckPeers(r); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if listed := len(view.Unanswered(r.Peers)) == 1; listed != (tt.result == view.Fail) {
			t.Errorf("%s: %t that it is among those that do not answer", name, listed)
		}
	}
}

func TestCheckNode(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*status.Report)
		check  view.Check
	}{
		"not ready": {
			func(r *status.Report) { r.Status = &status.Snapshot{} },
			view.Check{Name: "daemon", Result: view.Fail, Detail: "not ready: waiting for the first pass"},
		},
		"a warning": {
			func(r *status.Report) { s := r.Status.Warn("host ports", "gone", now); r.Status = &s },
			view.Check{Name: "daemon", Result: view.Warn, Detail: "host ports: gone"},
		},
		"a problem": {
			func(r *status.Report) {
				s := r.Status.WithProblems([]mesh.Problem{{Node: "b", Field: "proof", Reason: "bad"}}, now)
				r.Status = &s
			},
			view.Check{Name: "nodes", Result: view.Warn, Figure: "1", Detail: "b: proof: bad"},
		},
		"drops": {
			func(r *status.Report) { r.GuardPackets = map[string]uint64{"leak-pod": 2, "spoofed": 1} },
			view.Check{Name: "guard", Result: view.Warn, Figure: "3 dropped", Detail: "leak-pod 2, spoofed 1"},
		},
		"drops of late": {
			func(r *status.Report) {
				r.GuardPackets = map[string]uint64{"leak-pod": 9}
				r.GuardGrowth = &status.GuardGrowth{Seconds: 620, Packets: map[string]uint64{"leak-pod": 2}}
			},
			view.Check{Name: "guard", Result: view.Warn, Figure: "2 dropped in 10m", Detail: "leak-pod 2"},
		},
		"drops of last month": {
			func(r *status.Report) {
				r.GuardPackets = map[string]uint64{"leak-pod": 9}
				r.GuardGrowth = &status.GuardGrowth{Seconds: 620, Packets: map[string]uint64{"leak-pod": 0}}
			},
			view.Check{Name: "guard", Result: view.OK, Figure: "0 dropped in 10m"},
		},
		"no counters": {
			func(r *status.Report) { r.GuardPackets = nil },
			view.Check{Name: "guard", Result: view.Unknown, Detail: "its counters could not be read"},
		},
		"no counters are counted": {
			func(r *status.Report) { r.GuardPackets = map[string]uint64{} },
			view.Check{Name: "guard", Result: view.Unknown, Detail: "its counters could not be read"},
		},
		"device not read": {
			func(r *status.Report) { r.Peers, r.ObservedAt = nil, time.Time{} },
			view.Check{Name: "peers", Result: view.Unknown, Detail: "the device has not been read in the last minute"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := report()
			tt.change(&r)
			for _, c := range view.CheckNode(r) {
				if c == tt.check {
					return
				}
			}
			t.Errorf("got %+v, want %+v among them", view.CheckNode(r), tt.check)
		})
	}
}

// The guard's line of a cluster sums up what was dropped of late, in the shortest time for which a node was watched. If
// one was not, it is since the tables were made. A node whose counters could not be read hides no other's.
func TestGuardOfNodes(t *testing.T) {
	document := func(growths ...*status.GuardGrowth) view.ClusterDocument {
		d := view.ClusterDocument{Reports: map[string]view.NodeDocument{}}
		for i, g := range growths {
			r := status.Report{GuardPackets: map[string]uint64{"leak-pod": 9}, GuardGrowth: g}
			d.Reports[string(rune('a'+i))] = view.NodeDocument{Report: r}
		}
		return d
	}
	none := &status.GuardGrowth{Seconds: 630, Packets: map[string]uint64{"leak-pod": 0}}
	at := func(seconds int) *status.GuardGrowth { return &status.GuardGrowth{Seconds: seconds} }
	some := &status.GuardGrowth{Seconds: 90, Packets: map[string]uint64{"leak-pod": 1}}
	unread := func(d view.ClusterDocument, name string) view.ClusterDocument {
		d.Reports[name] = view.NodeDocument{}
		return d
	}
	const no = ": the counters could not be read"
	for _, tt := range []struct {
		d              view.ClusterDocument
		result         view.Result
		figure, detail string
	}{
		{unread(document(some, none), "b"), view.Unknown, "1 dropped in 90s on 1 read", "leak-pod 1; b" + no},
		{unread(document(none), "Z"), view.Unknown, "0 dropped in 10m on 1 read", "Z" + no},
		{unread(document(), "b"), view.Unknown, "", "b" + no},
		{document(none, none), view.OK, "0 dropped in 10m on 2 read", ""},
		{document(none, some), view.Warn, "1 dropped in 90s on 2 read", "leak-pod 1"},
		{document(at(0), none), view.OK, "0 dropped in 1s on 2 read", ""},
		{document(none, at(0), some), view.Warn, "1 dropped in 1s on 3 read", "leak-pod 1"},
		{document(some, nil), view.Warn, "18 dropped on 2 read", "leak-pod 18"},
	} {
		want := view.Check{Name: "guard", Result: tt.result, Figure: tt.figure, Detail: tt.detail}
		if checks := view.CheckCluster(tt.d); !slices.Contains(checks, want) {
			t.Errorf("%+v, want %+v among them", checks, want)
		}
	}
}

func TestExit(t *testing.T) {
	for results, want := range map[string][2]int{
		"ok":              {view.ExitWell, view.ExitWell},
		"":                {view.ExitWell, view.ExitWell},
		"ok warn":         {view.ExitWell, view.ExitFinding},
		"unknown ok":      {view.ExitUnknown, view.ExitUnknown},
		"unknown warn":    {view.ExitUnknown, view.ExitFinding},
		"unknown FAIL ok": {view.ExitFinding, view.ExitFinding},
	} {
		var checks []view.Check
		for _, r := range strings.Fields(results) {
			checks = append(checks, view.Check{Result: view.Result(r)})
		}
		if got := [2]int{view.Exit(checks, false), view.Exit(checks, true)}; got != want {
			t.Errorf("%q: %v, want %v", results, got, want)
		}
	}
}

func TestSort(t *testing.T) {
	for by, first := range map[view.Order]string{
		view.ByNode: "node-b", view.ByState: "node-d", view.ByHandshake: "node-c", view.ByBytes: "node-b",
	} {
		if sorted := view.Sort(report().Peers, by); sorted[0].Node != first {
			t.Errorf("%s: %v", by, sorted[0].Node)
		}
	}
	if _, err := view.ParseOrder("size"); err == nil || !strings.Contains(err.Error(), "handshake") {
		t.Errorf("an unknown order: %v", err)
	}
	if _, err := view.ParseFormat("xml"); err == nil || !strings.Contains(err.Error(), "wide") {
		t.Errorf("an unknown format: %v", err)
	}
}

// A check with an ID stands with it, and what to do stands below the table.
func TestWriteDiagnosis(t *testing.T) {
	r := report()
	checks := []view.Check{
		{ID: "W01", Name: "API server answers", Result: view.OK},
		{ID: "W07", Name: "peers answer", Result: view.Fail, Figure: "2/4", Detail: "missing: node-d",
			Remedy: "let the port through", Runbook: "docs/runbooks.md#W07"},
	}
	want(t, `
warren v1.4.0  node-a  WireGuard: kernel, the kernel has WireGuard
 ok    W01  API server answers
 FAIL  W07  peers answer        2/4  missing: node-d
W07: let the port through. See docs/runbooks.md#W07
Source: daemon, read at 2026-11-28 03:00:00Z.
`, written(t, func(b *strings.Builder) error { return view.WriteNode(b, view.Text, r, checks) }))
}

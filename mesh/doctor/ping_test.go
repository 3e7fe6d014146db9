package doctor

import (
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

func pingOf(sent, answered, pathMTU int) status.PingReport {
	p := status.Ping{Node: "node-b"}
	for i := range sent {
		p.Measurement = p.With(time.Millisecond, i < answered)
	}
	p.PathMTU = pathMTU
	return status.PingReport{
		ObservedAt: time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC), Node: "node-a", MTU: 1420, Peers: []status.Ping{p},
	}
}

func TestCheckPings(t *testing.T) {
	for name, tt := range map[string]struct {
		report         status.PingReport
		answers, path  view.Result
		exit           int
		detail, remedy string
	}{
		"well":      {pingOf(4, 4, 1420), view.OK, view.OK, view.ExitWell, "", ""},
		"some lost": {pingOf(4, 1, 1420), view.OK, view.OK, view.ExitWell, "", ""},
		"black hole": {
			pingOf(4, 4, 1400), view.OK, view.Fail, view.ExitFinding,
			"small packets pass and large ones vanish: node-a to node-b 1400",
			"set --mtu (WARREN_MTU) to 1400 on all nodes, or mend the underlay",
		},
		"too narrow for IPv6": {
			pingOf(4, 4, 1232), view.OK, view.Fail, view.ExitFinding, "node-b 1232", "; IPv6 in pods needs 1280",
		},
		"no answer":       {pingOf(4, 0, 0), view.Fail, view.Unknown, view.ExitFinding, "no peer answers", ""},
		"size not known":  {pingOf(4, 4, 0), view.OK, view.Unknown, view.ExitUnknown, "node-a to node-b: ", ""},
		"not asked":       {pingOf(0, 0, 0), view.Unknown, view.Unknown, view.ExitUnknown, "node-a to node-b: ", ""},
		"without daemon":  {status.PingReport{}, view.Unknown, view.Unknown, view.ExitUnknown, "does not answer", ""},
		"larger than MTU": {pingOf(4, 4, 1500), view.OK, view.OK, view.ExitWell, "", ""},
	} {
		checks := CheckPings(map[string]status.PingReport{tt.report.Node: tt.report}, nil)
		if len(checks) != 2 || checks[0].ID != "W07" || checks[1].ID != "W12" || checks[0].Result != tt.answers ||
			checks[1].Result != tt.path || view.Exit(checks, false) != tt.exit ||
			!strings.Contains(checks[1].Detail, tt.detail) || !strings.Contains(checks[1].Remedy, tt.remedy) {
			t.Errorf("%s: %+v", name, checks)
		}
	}
}

// A node that does not answer is unknown, unless another one has found something.
func TestCheckPingsOfSilentNodes(t *testing.T) {
	silent := map[string]string{"node-c": "no answer within 5s"}
	for name, tt := range map[string]struct {
		reports map[string]status.PingReport
		exit    int
	}{
		"well":    {map[string]status.PingReport{"node-a": pingOf(4, 4, 1420)}, view.ExitUnknown},
		"finding": {map[string]status.PingReport{"node-a": pingOf(4, 4, 1300)}, view.ExitFinding},
		"nobody":  {nil, view.ExitUnknown},
	} {
		if checks := CheckPings(tt.reports, silent); view.Exit(checks, false) != tt.exit {
			t.Errorf("%s: %+v", name, checks)
		}
	}
}

// What probes have measured counts, whatever the kernel knows of the paths outside.
func TestMeasuredPathMTU(t *testing.T) {
	node := func(measured ...int) Node {
		n := Node{MTU: &MTU{Link: 1420}}
		for _, mtu := range measured {
			n.Report.Peers = append(n.Report.Peers,
				status.Peer{Node: "node-b", Probe: &status.Measurement{PathMTU: mtu}})
		}
		n.Report.Peers = append(n.Report.Peers, status.Peer{Node: "node-c"})
		return n
	}
	for name, tt := range map[string]struct {
		node   Node
		result view.Result
		remedy string
	}{
		"none":         {node(), view.OK, ""},
		"unknown":      {node(0), view.OK, ""},
		"well":         {node(1420, 1500), view.OK, ""},
		"a narrow one": {node(1420, 1344, 1400), view.Fail, "to 1344 on all nodes"},
	} {
		f := tt.node.pathMTU()
		if f.result != tt.result || (tt.remedy == "") != (f.remedy == "") || !strings.Contains(f.remedy, tt.remedy) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

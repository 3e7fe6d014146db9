package view_test

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"warren.mesh/mesh"
	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
	"warren.mesh/test/golden"
)

// diagnosis are the checks of a doctor, one of each result.
func diagnosis() []view.Check {
	return []view.Check{
		{ID: "W01", Name: "API server answers", Result: view.OK},
		{
			ID: "W07", Name: "peers answer", Result: view.Fail, Figure: "2/4", Detail: "missing: node-d",
			Remedy: "let the port through", Runbook: "docs/runbooks.md#W07",
		},
		{ID: "W12", Name: "path MTU", Result: view.Warn, Figure: "1280 of 1420", Detail: "node-a to node-9",
			Remedy: "set --mtu", Runbook: "docs/runbooks.md#W12"},
		{ID: "W14", Name: "guard's table is in force", Result: view.Unknown, Detail: "no answer"},
	}
}

// document is of a cluster of three nodes: one that answers, one that does not, and one without a daemon.
func document() view.ClusterDocument {
	r := report()
	return view.ClusterDocument{
		Cluster: status.Cluster{
			APIVersion: status.APIVersion, Kind: status.ClusterKind, Source: status.SourceAPI, ObservedAt: now,
			Kubernetes: "v1.37.2",
			Nodes: []status.ClusterNode{
				{
					Name: "node-a", Zone: "one", Ready: true, Announced: true,
					PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")},
					NodeIPs:  []netip.Addr{netip.MustParseAddr("192.0.2.1")},
					Daemon:   &status.DaemonPod{Name: "warren-x", Ready: true, Image: "warren.mesh/warren:v1.4.0"},
				},
				{
					Name: "node-b", Ready: true, Announced: true,
					PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.2.0/24")},
					Daemon: &status.DaemonPod{
						Name: "warren-y", Reason: "ImagePullBackOff", Image: "warren.mesh/warren:v1.4.1",
					},
				},
				{Name: "node-c"},
			},
			Problems:     []mesh.Problem{{Node: "node-c", Field: "proof", Reason: "is missing"}},
			Admission:    []string{"warren-annotations", "warren-kubelet", "warren-own-node"},
			ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")},
		},
		Reports: map[string]view.NodeDocument{"node-a": {Report: r, Checks: view.CheckNode(r)}},
		Silent:  map[string]string{"node-b": "no answer within 5s"},
	}
}

// pingReport is of a node with a peer of each kind: one that answers, one behind a narrow path, one that does not
// answer, and one that was not asked.
func pingReport() status.PingReport {
	gateway := netip.MustParseAddr("10.244.2.1")
	measured := func(answered, mtu int) (m status.Measurement) {
		for i := range 4 {
			m = m.With(time.Duration(300+100*i)*time.Microsecond, i < answered)
		}
		m.At, m.PathMTU = now, mtu
		return m
	}
	return status.PingReport{
		APIVersion: status.APIVersion, Kind: status.PingKind, Source: status.SourceDaemon, ObservedAt: now,
		Node: "node-a", MTU: 1420,
		Peers: []status.Ping{
			{Node: "node-b", Address: gateway, Measurement: measured(4, 1420)},
			{Node: "node-9", Address: gateway, Measurement: measured(3, 1232)},
			{Node: "node-17", Address: gateway, Measurement: measured(0, 0)},
			{Node: "node-d", Reason: "no address family in common"},
		},
	}
}

// What the commands write is a golden for each format, and of -o yaml and json every one parses.
func TestGoldens(t *testing.T) {
	r, d := report(), document()
	for name, write := range map[string]func(b *strings.Builder, f view.Format) error{
		"status": func(b *strings.Builder, f view.Format) error { return view.WriteNode(b, f, r, view.CheckNode(r)) },
		"peers":  func(b *strings.Builder, f view.Format) error { return view.WritePeers(b, f, r) },
		"doctor": func(b *strings.Builder, f view.Format) error { return view.WriteNode(b, f, r, diagnosis()) },
		"ping": func(b *strings.Builder, f view.Format) error {
			d := view.PingDocument{PingReport: pingReport()}
			d.Checks = doctor.CheckPings(map[string]status.PingReport{d.Node: d.PingReport}, nil)
			return view.WritePing(b, f, d)
		},
		"cluster-ping": func(b *strings.Builder, f view.Format) error {
			d := view.PingsDocument{
				APIVersion: status.APIVersion, Kind: view.PingsKind, Source: status.SourceDaemon, ObservedAt: now,
				Reports: map[string]status.PingReport{"node-a": pingReport()},
				Silent:  map[string]string{"node-e": "no answer within 5s"},
			}
			d.Checks = doctor.CheckPings(d.Reports, d.Silent)
			return view.WritePings(b, f, d)
		},
		"cluster-status": func(b *strings.Builder, f view.Format) error {
			d := d
			d.Checks = view.CheckCluster(d)
			return view.WriteCluster(b, f, d)
		},
		"cluster-peers": func(b *strings.Builder, f view.Format) error { return view.WriteAllPeers(b, f, d) },
		"cluster-doctor": func(b *strings.Builder, f view.Format) error {
			d := d
			d.Checks = diagnosis()
			return view.WriteCluster(b, f, d)
		},
	} {
		for _, format := range []view.Format{view.Text, view.Wide, view.JSON, view.YAML} {
			t.Run(name+"/"+string(format), func(t *testing.T) {
				got := written(t, func(b *strings.Builder) error { return write(b, format) })
				golden.Equal(t, filepath.Join("testdata", name+"."+string(format)), got)
				if strings.Contains(got, "\x1b") {
					t.Error("it is coloured, and this is no terminal")
				}
				if format == view.JSON || format == view.YAML {
					wantParsed(t, got)
				}
			})
		}
	}
}

// wantParsed wants a document with its version; JSON is YAML too.
func wantParsed(t *testing.T, text string) {
	t.Helper()
	var document struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal([]byte(text), &document); err != nil || document.APIVersion != status.APIVersion ||
		document.Kind == "" {
		t.Errorf("%v: %+v of\n%s", err, document, text)
	}
}

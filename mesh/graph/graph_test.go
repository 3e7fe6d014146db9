package graph_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
	"warren.mesh/mesh/graph"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
	"warren.mesh/test/golden"
)

// cluster has so many nodes in three zones, the last without a name. Node-0 and node-1 have answered: everything is
// connected or idle, but for what node-0 says of node-2 and node-1 of node-0.
func cluster(nodes int) view.ClusterDocument {
	d := view.ClusterDocument{Reports: map[string]view.NodeDocument{}}
	for i := range nodes {
		n := status.ClusterNode{
			Name: fmt.Sprintf("node-%d", i), Zone: []string{"a", "b<\"&#>", ""}[i%3], Ready: true, Announced: true,
			Daemon: &status.DaemonPod{Ready: true},
		}
		d.Nodes = append(d.Nodes, n)
	}
	d.Nodes[2].Daemon = nil
	for from := range 2 {
		var r view.NodeDocument
		for i := range nodes {
			p := status.Peer{Node: fmt.Sprintf("node-%d", i), State: mesh.PeerConnected}
			switch {
			case i == from:
				continue
			case from == 0 && i == 2:
				p.State = mesh.PeerUnanswered
			case from == 1 && i == 0:
				p.State = mesh.PeerMissing
			case i == 3:
				p.State = mesh.PeerIdle
			}
			r.Peers = append(r.Peers, p)
		}
		r.Peers = append(r.Peers, status.Peer{Node: "gone", State: mesh.PeerUnanswered})
		d.Reports[fmt.Sprintf("node-%d", from)] = r
	}
	return d
}

func TestNew(t *testing.T) {
	g := graph.New(cluster(5))
	links := []graph.Link{{"node-0", "node-2", mesh.PeerUnanswered}, {"node-1", "node-0", mesh.PeerMissing}}
	if diff := cmp.Diff(links, g.Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	if n := len(g.Zones); n != 3 || g.Zones[0].Name != "" || g.Zones[0].Nodes[0].Trouble != "no daemon" ||
		g.Read != 2 {
		t.Errorf("%d zones, %+v, %d read", n, g.Zones, g.Read)
	}
	for _, c := range g.Cells {
		if bad := c.From == "a" && c.To == "" || c.From != "a" && c.To == "a"; (c.Bad == 1) != bad || c.Bad > 1 {
			t.Errorf("%+v", c)
		}
	}
}

// What a peer has answered counts as it does for status: more than its state, which may be older.
func TestLinksByAnswers(t *testing.T) {
	one, none := &status.Measurement{Sent: 1, Answered: 1}, &status.Measurement{Sent: 20}
	for name, tt := range map[string]struct {
		peer status.Peer
		want mesh.PeerState
	}{
		"unanswered":             {status.Peer{State: mesh.PeerUnanswered}, mesh.PeerUnanswered},
		"answered when asked":    {status.Peer{State: mesh.PeerUnanswered, Asked: one}, ""},
		"idle":                   {status.Peer{State: mesh.PeerIdle}, ""},
		"idle, silent":           {status.Peer{State: mesh.PeerIdle, Probe: none, Silent: true}, mesh.PeerUnanswered},
		"idle, none of 20":       {status.Peer{State: mesh.PeerIdle, Probe: none}, ""},
		"idle, answered a probe": {status.Peer{State: mesh.PeerIdle, Probe: one}, ""},
	} {
		d := cluster(3)
		tt.peer.Node = "node-1"
		d.Reports = map[string]view.NodeDocument{"node-0": {Report: status.Report{Peers: []status.Peer{tt.peer}}}}
		var want []graph.Link
		if tt.want != "" {
			want = []graph.Link{{"node-0", "node-1", tt.want}}
		}
		if diff := cmp.Diff(want, graph.New(d).Links); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTrouble(t *testing.T) {
	for want, change := range map[string]func(*status.ClusterNode){
		"no daemon":        func(n *status.ClusterNode) { n.Daemon = nil },
		"NotReady":         func(n *status.ClusterNode) { n.Ready = false },
		"daemon not ready": func(n *status.ClusterNode) { n.Daemon = &status.DaemonPod{} },
		"not announced":    func(n *status.ClusterNode) { n.Announced = false },
	} {
		d := cluster(3)
		change(&d.Nodes[0])
		if g := graph.New(d); g.Zones[1].Nodes[0].Trouble != want {
			t.Errorf("%+v, want %q", g.Zones, want)
		}
	}
}

// Up to 60 nodes are drawn one by one, more as zones.
func TestWrite(t *testing.T) {
	for name, nodes := range map[string]int{"small": 5, "large": graph.Most + 1} {
		for _, f := range []graph.Format{graph.DOT, graph.Mermaid, graph.SVG} {
			t.Run(name+"/"+string(f), func(t *testing.T) {
				var b strings.Builder
				if err := graph.Write(&b, f, graph.New(cluster(nodes))); err != nil {
					t.Fatal(err)
				}
				golden.Equal(t, "testdata/"+name+"."+string(f), b.String())
				if f == graph.SVG {
					wellFormed(t, b.String())
				}
			})
		}
	}
	var b strings.Builder
	if err := graph.Write(&b, graph.DOT, graph.New(cluster(graph.Most))); err != nil ||
		!strings.Contains(b.String(), "subgraph") {
		t.Errorf("%d nodes are not drawn one by one: %v", graph.Most, err)
	}
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, text := range []string{"dot", "mermaid", "svg"} {
		if f, err := graph.ParseFormat(text); err != nil || string(f) != text {
			t.Errorf("%s: %q, %v", text, f, err)
		}
	}
	if _, err := graph.ParseFormat("png"); err == nil || !strings.Contains(err.Error(), "mermaid") {
		t.Errorf("png: %v", err)
	}
}

package agent_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/meshtest"
)

// twoWatches is a cluster whose list of Nodes may be of another moment than the own Node.
type twoWatches struct {
	*meshtest.Cluster
	edit atomic.Pointer[func([]mesh.Node) []mesh.Node]
}

func (c *twoWatches) Nodes() []mesh.Node {
	nodes := c.Cluster.Nodes()
	if edit := c.edit.Load(); edit != nil {
		nodes = (*edit)(nodes)
	}
	return nodes
}

// A list that does not hold the own Node with its UID is of another moment or of another store: it says nothing about
// who has left.
func TestListWithoutTheOwnNodeIsNone(t *testing.T) {
	named := func(name string) func(mesh.Node) bool { return func(n mesh.Node) bool { return n.Name == name } }
	for what, edit := range map[string]func([]mesh.Node) []mesh.Node{
		"an empty list": func([]mesh.Node) []mesh.Node { return nil },
		"a part of it":  func(nodes []mesh.Node) []mesh.Node { return slices.DeleteFunc(nodes, named(name(1)))[:1] },
		"the own Node's successor or predecessor": func(nodes []mesh.Node) []mesh.Node {
			nodes[slices.IndexFunc(nodes, named(name(1)))].UID = "another"
			return slices.DeleteFunc(nodes, named(name(2)))
		},
	} {
		t.Run(what, func(t *testing.T) {
			cluster(t, 3, func(t *testing.T, api *meshtest.API, machines []*machine) {
				a := machines[0]
				a.end()
				view := &twoWatches{}
				a.view = func(c *meshtest.Cluster) agent.Cluster { view.Cluster = c; return view }
				a.start()
				settle()
				before := a.host.now()
				a.log.read()
				a.host.activity()
				view.edit.Store(&edit)
				a.agent.Poke()
				settle()
				if diff := cmp.Diff(before, a.host.now(), addresses); diff != "" {
					t.Errorf("not frozen (-before +after):\n%s", diff)
				}
				if code, body := a.get("/readyz"); code != 503 ||
					!strings.Contains(body, "waiting for a list of Nodes that") {
					t.Errorf("/readyz: %d %s", code, body)
				}
				a.host.meddle(dropRoutes)
				settle()
				if diff := cmp.Diff(before, a.host.now(), addresses); diff != "" {
					t.Errorf("what others destroy is not repaired (-before +after):\n%s", diff)
				}
				if writes := a.cluster.Writes(); len(writes) != 0 {
					t.Errorf("wrote %v", writes)
				}
				view.edit.Store(nil)
				api.Create(announced(9))
				settle()
				wantPeers(t, a, machines[1].key, machines[2].key, key(9))
				if code, body := a.get("/readyz"); code != 200 {
					t.Errorf("not ready: %s", body)
				}
				if got := logged(a.log.read(), "level=INFO msg=waiting"); len(got) != 1 {
					t.Errorf("log: %q", got)
				}
			})
		})
	}
}

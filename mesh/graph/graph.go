package graph

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// Most is the largest number of nodes that are drawn one by one. Of more, zones are drawn.
const Most = 60

// Graph is what is drawn.
type Graph struct {
	// Zones are sorted by name, their nodes too. Nodes without a zone are in one without a name.
	Zones []Zone
	// Links are those that are not well, sorted.
	Links []Link
	// Cells are the links between zones, sorted; those from zones of which no node was read are not there.
	Cells []Cell
	// Read is how many nodes have said how their links are.
	Read int
}

// Zone is nodes that have one label topology.kubernetes.io/zone.
type Zone struct {
	Name  string
	Nodes []Node
}

// Node is one node.
type Node struct {
	Name string
	// Trouble is what the API server tells of it, "no daemon" for example; empty if that is nothing.
	Trouble string
}

// Link is how a peer fares, as one node says.
type Link struct {
	From, To string
	State    mesh.PeerState
}

// Cell counts the links from the nodes of one zone that were read to those of another, and the bad ones of them.
type Cell struct {
	From, To  string
	Bad, Read int
}

// New returns the graph of a cluster. Links are known of the nodes that have answered.
func New(d view.ClusterDocument) Graph {
	zoneOf, zones := map[string]string{}, map[string][]Node{}
	for _, n := range d.Nodes {
		zoneOf[n.Name] = n.Zone
		zones[n.Zone] = append(zones[n.Zone], Node{n.Name, trouble(n)})
	}
	g := Graph{Read: len(d.Reports)}
	for _, name := range slices.Sorted(maps.Keys(zones)) {
		nodes := zones[name]
		slices.SortFunc(nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
		g.Zones = append(g.Zones, Zone{name, nodes})
	}
	cells := map[[2]string]Cell{}
	for _, from := range slices.Sorted(maps.Keys(d.Reports)) {
		for _, p := range d.Reports[from].Peers {
			zone, known := zoneOf[p.Node]
			if !known {
				continue // a node that is gone from the cluster, or that nothing names
			}
			key := [2]string{zoneOf[from], zone}
			cell := cells[key]
			cell.From, cell.To, cell.Read = key[0], key[1], cell.Read+1
			if state, bad := view.Trouble(p); bad {
				cell.Bad++
				g.Links = append(g.Links, Link{from, p.Node, state})
			}
			cells[key] = cell
		}
	}
	slices.SortFunc(g.Links, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	g.Cells = slices.SortedFunc(maps.Values(cells), func(a, b Cell) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return g
}

func trouble(n status.ClusterNode) string {
	switch {
	case n.Daemon == nil:
		return "no daemon"
	case !n.Ready:
		return "NotReady"
	case !n.Daemon.Ready:
		return "daemon not ready"
	case !n.Announced:
		return "not announced"
	default:
		return ""
	}
}

// large says that zones are drawn.
func (g Graph) large() bool { return g.count() > Most }

func (g Graph) count() (nodes int) {
	for _, z := range g.Zones {
		nodes += len(z.Nodes)
	}
	return nodes
}

// title reads "41 nodes, 2 links not well; 3 nodes read".
func (g Graph) title() string {
	return fmt.Sprintf("%d nodes, %d links not well; %d nodes read", g.count(), len(g.Links), g.Read)
}

// label returns a zone's name, with a word for none.
func (z Zone) label() string { return zoneLabel(z.Name) }

func zoneLabel(name string) string {
	if name == "" {
		return "no zone"
	}
	return "zone " + name
}

// text returns a node's name, with its trouble.
func (n Node) text() string {
	if n.Trouble == "" {
		return n.Name
	}
	return n.Name + ": " + n.Trouble
}

// summary reads "zone a: 20 nodes, 1 in trouble".
func (z Zone) summary() string {
	troubled := 0
	for _, n := range z.Nodes {
		if n.Trouble != "" {
			troubled++
		}
	}
	text := fmt.Sprintf("%s: %d nodes", z.label(), len(z.Nodes))
	if troubled > 0 {
		text += fmt.Sprintf(", %d in trouble", troubled)
	}
	return text
}

// cell returns that of two zones.
func (g Graph) cell(from, to string) (Cell, bool) {
	i := slices.IndexFunc(g.Cells, func(c Cell) bool { return c.From == from && c.To == to })
	if i < 0 {
		return Cell{}, false
	}
	return g.Cells[i], true
}

// text reads "2/40 not well".
func (c Cell) text() string { return fmt.Sprintf("%d/%d not well", c.Bad, c.Read) }

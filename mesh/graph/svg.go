package graph

import (
	"fmt"
	"html"
	"strings"

	"warren.mesh/mesh/view"
)

// The sizes of a drawing, in pixels.
const (
	margin = 20
	column = 320
	boxX   = 200
	boxY   = 28
	row    = 44
	top    = 70
)

// svg draws zones as columns of nodes, and links as lines; of a large mesh the matrix of zones.
func (g Graph) svg(b *strings.Builder) {
	rows := len(g.Zones)
	if !g.large() {
		rows = 0
		for _, z := range g.Zones {
			rows = max(rows, len(z.Nodes))
		}
	}
	columns := len(g.Zones)
	if g.large() {
		columns++ // the zones' names
	}
	width, height := max(2*margin+column*columns, 2*margin+3*column/2), top+row*(rows+1)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" `, width, height)
	b.WriteString(`font-family="sans-serif" font-size="13">` + "\n")
	text(b, margin, margin, g.title())
	if g.large() {
		g.matrix(b)
	} else {
		g.columns(b)
	}
	b.WriteString("</svg>\n")
}

// svgQuoted writes a text as character data, which holds no control characters (XML 1.0, section 2.2).
func svgQuoted(text string) string { return html.EscapeString(view.Printable(text)) }

func text(b *strings.Builder, x, y int, what string) {
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", x, y, svgQuoted(what))
}

// box draws a box with a text, whose edge is red for what is not well.
func box(b *strings.Builder, x, y int, what string, well bool) {
	color := "black"
	if !well {
		color = "red"
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="white" stroke="%s"/>`+"\n", x, y, boxX, boxY,
		color)
	text(b, x+8, y+19, what)
}

// place is the corner of a node's box.
type place struct{ x, y int }

// link draws a line between the edges that face each other, or around the right edges in one column. Its word stands
// beside the box that it comes from.
func link(b *strings.Builder, from, to place, word string) {
	start, end, bend, at, anchor := from.x+boxX, to.x, (from.x+boxX+to.x)/2, from.x+boxX+6, "start"
	switch {
	case to.x == from.x:
		end, bend = to.x+boxX, from.x+boxX+30
	case to.x < from.x:
		start, end, bend, at, anchor = from.x, to.x+boxX, (from.x+to.x+boxX)/2, from.x-6, "end"
	}
	fmt.Fprintf(b, `<polyline points="%d,%d %d,%d %d,%d" fill="none" stroke="red" stroke-dasharray="4"/>`+"\n",
		start, from.y+boxY/2, bend, (from.y+to.y+boxY)/2, end, to.y+boxY/2)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s" fill="red">%s</text>`+"\n", at, from.y+boxY/2-4, anchor,
		svgQuoted(word))
}

func (g Graph) columns(b *strings.Builder) {
	places := map[string]place{}
	for i, z := range g.Zones {
		for j, n := range z.Nodes {
			places[n.Name] = place{margin + column*i, top + row*j}
		}
	}
	for _, l := range g.Links {
		link(b, places[l.From], places[l.To], string(l.State))
	}
	for i, z := range g.Zones {
		text(b, margin+column*i, top-12, z.label())
		for _, n := range z.Nodes {
			box(b, places[n.Name].x, places[n.Name].y, n.text(), n.Trouble == "")
		}
	}
}

// matrix has a row for each zone that links come from, and a column for each that they go to.
func (g Graph) matrix(b *strings.Builder) {
	for i, to := range g.Zones {
		text(b, margin+column*(i+1), top-12, "to "+to.label())
	}
	for j, from := range g.Zones {
		text(b, margin, top+row*j+19, "from "+from.summary())
		for i, to := range g.Zones {
			c, read := g.cell(from.Name, to.Name)
			what := "unknown: not read"
			if read {
				what = c.text()
			}
			box(b, margin+column*(i+1), top+row*j, what, c.Bad == 0)
		}
	}
}

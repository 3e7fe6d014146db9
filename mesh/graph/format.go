package graph

import (
	"fmt"
	"io"
	"strings"

	"warren.mesh/mesh/view"
)

// Format is a language that graphs are written in.
type Format string

// The formats.
const (
	DOT     Format = "dot"
	Mermaid Format = "mermaid"
	SVG     Format = "svg"
)

// ParseFormat returns the format of that name. The error lists all.
func ParseFormat(text string) (Format, error) {
	switch f := Format(text); f {
	case DOT, Mermaid, SVG:
		return f, nil
	default:
		return "", fmt.Errorf("output format %q: want one of %s, %s, %s", text, DOT, Mermaid, SVG)
	}
}

// Write writes the graph in a format.
func Write(w io.Writer, f Format, g Graph) error {
	var b strings.Builder
	switch f {
	case SVG:
		g.svg(&b)
	case Mermaid:
		g.mermaid(&b)
	case DOT:
		g.dot(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// dotQuoted writes a text as a quoted string of DOT.
func dotQuoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(view.Printable(text)) + `"`
}

func (g Graph) dot(b *strings.Builder) {
	fmt.Fprintf(b, "digraph warren {\n\tlabel=%s\n\tnode [shape=box]\n", dotQuoted(g.title()))
	if g.large() {
		for _, z := range g.Zones {
			fmt.Fprintf(b, "\t%s [label=%s]\n", dotQuoted(z.Name), dotQuoted(z.summary()))
		}
		for _, c := range g.Cells {
			if c.Bad > 0 {
				fmt.Fprintf(b, "\t%s -> %s [label=%s, color=red]\n", dotQuoted(c.From), dotQuoted(c.To),
					dotQuoted(c.text()))
			}
		}
	} else {
		for i, z := range g.Zones {
			fmt.Fprintf(b, "\tsubgraph cluster_%d {\n\t\tlabel=%s\n", i, dotQuoted(z.label()))
			for _, n := range z.Nodes {
				color := ""
				if n.Trouble != "" {
					color = ", color=red"
				}
				fmt.Fprintf(b, "\t\t%s [label=%s%s]\n", dotQuoted(n.Name), dotQuoted(n.text()), color)
			}
			b.WriteString("\t}\n")
		}
		for _, l := range g.Links {
			fmt.Fprintf(b, "\t%s -> %s [label=%s, color=red]\n", dotQuoted(l.From), dotQuoted(l.To),
				dotQuoted(string(l.State)))
		}
	}
	b.WriteString("}\n")
}

// mermaidQuoted writes a text as a quoted label of Mermaid.
func mermaidQuoted(text string) string {
	return `"` + strings.NewReplacer("#", "#35;", `"`, "#quot;").Replace(view.Printable(text)) + `"`
}

func (g Graph) mermaid(b *strings.Builder) {
	fmt.Fprintf(b, "flowchart LR\n%%%% %s\n", g.title())
	ids := map[string]string{} // names may hold what is no identifier of Mermaid's
	if g.large() {
		for i, z := range g.Zones {
			ids[z.Name] = fmt.Sprintf("z%d", i)
			fmt.Fprintf(b, "z%d[%s]\n", i, mermaidQuoted(z.summary()))
		}
		for _, c := range g.Cells {
			if c.Bad > 0 {
				fmt.Fprintf(b, "%s -. %s .-> %s\n", ids[c.From], mermaidQuoted(c.text()), ids[c.To])
			}
		}
		return
	}
	for i, z := range g.Zones {
		fmt.Fprintf(b, "subgraph z%d[%s]\n", i, mermaidQuoted(z.label()))
		for _, n := range z.Nodes {
			ids[n.Name] = fmt.Sprintf("n%d", len(ids))
			fmt.Fprintf(b, "  %s[%s]\n", ids[n.Name], mermaidQuoted(n.text()))
		}
		b.WriteString("end\n")
	}
	for _, l := range g.Links {
		fmt.Fprintf(b, "%s -. %s .-> %s\n", ids[l.From], mermaidQuoted(string(l.State)), ids[l.To])
	}
}

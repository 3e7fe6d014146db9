package explain

import (
	"io"
	"strings"

	"warren.mesh/mesh/view"
)

// Write writes an explanation: a table for people, or a document.
func Write(w io.Writer, f view.Format, e Explanation) error {
	lines := printer{view.NewLines(w)}
	switch f {
	case view.JSON, view.YAML:
		return view.WriteDocument(w, f, e)
	case view.Name:
		lines.Add("%s", e.Verdict)
	default:
		where := "on this node"
		if e.Node != "" {
			where = "on " + e.Node
		}
		lines.Add("%s → %s, %s", e.From, e.To, where)
		lines.steps(1, e.Steps)
		lines.Add("%s.", sentence(e.Verdict))
		lines.remedies(e.Steps, func(int) string { return "" })
		lines.Add("Source: %s, read at %s.", e.Source, e.ObservedAt.UTC().Format("2006-01-02 15:04:05Z"))
	}
	return lines.Err()
}

// WriteWays writes the ways through a cluster, as Write writes an explanation.
func WriteWays(w io.Writer, f view.Format, d Ways) error {
	if f == view.JSON || f == view.YAML {
		return view.WriteDocument(w, f, d)
	}
	lines := printer{view.NewLines(w)}
	for i, way := range d.Ways {
		if f == view.Name {
			lines.Add("%s", way.Verdict)
			continue
		}
		if i > 0 {
			lines.Add("")
		}
		lines.Add("%v", way)
		first := 1
		for _, leg := range way.Legs {
			lines.Add("On %s:", leg.Node)
			lines.steps(first, leg.Steps)
			first += len(leg.Steps)
		}
		lines.Add("%s.", sentence(way.Verdict))
		lines.remedies(way.Steps(), func(i int) string { return ", on " + way.nodeOf(i) })
	}
	return lines.Err()
}

// sentence returns a verdict with a capital letter.
func sentence(verdict string) string {
	first := min(1, len(verdict))
	return strings.ToUpper(verdict[:first]) + verdict[first:]
}

// printer writes what an explanation is made of.
type printer struct{ *view.Lines }

// steps prints them, counted from first.
func (p printer) steps(first int, steps []view.Check) {
	for i, s := range steps {
		p.Add("%2d %-7s  %-10s  %s", first+i, s.Result, s.Name, s.Detail)
	}
}

// remedies prints what to do about the steps, counted from 1, and where.
func (p printer) remedies(steps []view.Check, where func(step int) string) {
	for i, s := range steps {
		if s.Remedy != "" {
			p.Add("%d%s: %s. See %s", i+1, where(i), s.Remedy, s.Runbook)
		}
	}
}

package explain

import (
	"fmt"
	"io"
	"strings"

	"warren.mesh/mesh/view"
)

// Write writes an explanation: a table for people, or a document.
func Write(w io.Writer, f view.Format, e Explanation) error {
	switch f {
	case view.JSON, view.YAML:
		return view.WriteDocument(w, f, e)
	case view.Name:
		_, err := fmt.Fprintln(w, e.Verdict)
		return err
	default:
		where := "on this node"
		if e.Node != "" {
			where = "on " + e.Node
		}
		lines := printer{w: w}
		lines.printf("%s → %s, %s\n", e.From, e.To, where)
		lines.steps(1, e.Steps)
		lines.printf("%s.\n", sentence(e.Verdict))
		lines.remedies(e.Steps, func(int) string { return "" })
		lines.printf("Source: %s, read at %s.\n", e.Source, e.ObservedAt.UTC().Format("2006-01-02 15:04:05Z"))
		return lines.err
	}
}

// WriteWays writes the ways through a cluster, as Write writes an explanation.
func WriteWays(w io.Writer, f view.Format, d Ways) error {
	if f == view.JSON || f == view.YAML {
		return view.WriteDocument(w, f, d)
	}
	lines := printer{w: w}
	for i, way := range d.Ways {
		if f == view.Name {
			lines.printf("%s\n", way.Verdict)
			continue
		}
		if i > 0 {
			lines.printf("\n")
		}
		lines.printf("%v\n", way)
		first := 1
		for _, leg := range way.Legs {
			lines.printf("On %s:\n", leg.Node)
			lines.steps(first, leg.Steps)
			first += len(leg.Steps)
		}
		lines.printf("%s.\n", sentence(way.Verdict))
		lines.remedies(way.Steps(), func(i int) string { return ", on " + way.nodeOf(i) })
	}
	return lines.err
}

// sentence returns a verdict with a capital letter.
func sentence(verdict string) string { return strings.ToUpper(verdict[:1]) + verdict[1:] }

// printer prints until the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// steps prints them, counted from first.
func (p *printer) steps(first int, steps []view.Check) {
	for i, s := range steps {
		p.printf("%2d %-7s  %-10s  %s\n", first+i, s.Result, s.Name, s.Detail)
	}
}

// remedies prints what to do about the steps, counted from 1, and where.
func (p *printer) remedies(steps []view.Check, where func(step int) string) {
	for i, s := range steps {
		if s.Remedy != "" {
			p.printf("%d%s: %s. See %s\n", i+1, where(i), s.Remedy, s.Runbook)
		}
	}
}

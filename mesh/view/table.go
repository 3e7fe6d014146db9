package view

import (
	"strings"
	"text/tabwriter"
)

// table is rows of fields that stand below each other.
type table [][]string

// writeTo writes the rows.
func (t table) writeTo(lines *Lines) {
	var text strings.Builder
	aligned := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range t {
		var fields []string
		for _, field := range row {
			fields = append(fields, Printable(field)) // here, since a tab in one of them would begin another
		}
		_, _ = aligned.Write([]byte(strings.Join(fields, "\t") + "\n"))
	}
	_ = aligned.Flush() // a Builder fails at nothing
	for line := range strings.Lines(text.String()) {
		lines.Add("%s", line)
	}
}

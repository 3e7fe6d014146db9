package view

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// table is rows of fields that stand below each other.
type table [][]string

// writeTo writes the rows, without spaces at the end of a line.
func (t table) writeTo(w io.Writer) error {
	var text strings.Builder
	aligned := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range t {
		_, _ = fmt.Fprintln(aligned, strings.Join(row, "\t"))
	}
	_ = aligned.Flush() // a Builder fails at nothing
	for line := range strings.Lines(text.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Lines writes lines for people, until the first error. Whatever the values hold, a line stays one line of printable
// runes: some are texts of other nodes, and a compromised one must neither command the reader's terminal nor say
// something in the name of others. Everything that is written for people goes through Add (golangci-lint refuses other
// ways in the packages that have texts of nodes), so that no column can forget it.
type Lines struct {
	w   io.Writer
	err error
}

// NewLines returns Lines that go to w.
func NewLines(w io.Writer) *Lines { return &Lines{w: w} }

// Add writes one line. It needs no newline at the end, and makes text of those in the values (see Printable).
func (l *Lines) Add(format string, values ...any) {
	if l.err == nil {
		_, l.err = io.WriteString(l.w, Printable(fmt.Sprintf(format, values...))+"\n")
	}
}

// Err returns the first error of the writer; nil if there was none.
func (l *Lines) Err() error { return l.err }

// Printable returns a text on one line, without anything that a terminal acts upon: "; " stands for a newline, which
// joins errors, and Go's escapes, \x1b, for all other runes that are not printable (strconv.IsPrint) and for bytes that
// are no UTF-8. Spaces at the end are cut.
func Printable(text string) string {
	text = strings.ReplaceAll(strings.TrimRight(text, " \n"), "\n", "; ")
	if !strings.ContainsFunc(text, escaped) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case escaped(r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteRune(r)
		}
		text = text[size:]
	}
	return b.String()
}

// escaped says which runes are not written as they are. A byte that is no UTF-8 decodes to RuneError.
func escaped(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }

// Package excerpt keeps the beginning of texts that come from elsewhere and may have any length, such as the complaints
// of a command. It does not know what they say.
package excerpt

import (
	"fmt"
	"strings"
)

// Of returns text if it has no more than most bytes, or else its beginning and how long it was, which takes a few
// bytes more. No rune is cut in two.
func Of(text string, most int) string {
	w := Writer{Most: most}
	_, _ = w.Write([]byte(text[:min(len(text), most)]))
	w.written = len(text)
	return w.String()
}

// Writer keeps the beginning of what is written to it.
type Writer struct {
	// Most is how many bytes it keeps. Zero keeps none.
	Most int

	kept    []byte
	written int
}

// Write never fails.
func (w *Writer) Write(text []byte) (int, error) {
	w.written += len(text)
	w.kept = append(w.kept, text[:min(len(text), w.Most-len(w.kept))]...)
	return len(text), nil
}

// String returns the text as Of does.
func (w *Writer) String() string {
	if w.written == len(w.kept) {
		return string(w.kept)
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(string(w.kept), ""), w.written)
}

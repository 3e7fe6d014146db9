package view

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// Format is how a command writes what it found.
type Format string

// The formats: a table for people, the same with more columns, documents for programs, and names alone.
const (
	Text Format = "text"
	Wide Format = "wide"
	JSON Format = "json"
	YAML Format = "yaml"
	Name Format = "name"
)

var formats = []Format{Text, Wide, JSON, YAML, Name}

// ParseFormat returns the format of that name. The error lists all.
func ParseFormat(text string) (Format, error) {
	if f := Format(text); slices.Contains(formats, f) {
		return f, nil
	}
	var names []string
	for _, f := range formats {
		names = append(names, string(f))
	}
	return "", fmt.Errorf("output format %q: want one of %s", text, strings.Join(names, ", "))
}

// WriteDocument writes a document in JSON or YAML. They have the same fields, and no control characters but newlines.
func WriteDocument(w io.Writer, f Format, document any) error {
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	if text = escapeJSON(text); f == YAML {
		text, err = yaml.JSONToYAML(text)
	} else {
		text = append(text, '\n')
	}
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// escapeJSON escapes what encoding/json leaves as it is in strings although terminals act upon it, and YAML's parser
// refuses some: DEL, U+0080 to U+009F, and runes that change the direction of writing.
func escapeJSON(text []byte) []byte {
	special := func(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }
	if !strings.ContainsFunc(string(text), special) {
		return text
	}
	var b []byte
	for _, r := range string(text) {
		switch {
		case !special(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}

package view

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

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

// WriteDocument writes a document in JSON or YAML. They have the same fields.
func WriteDocument(w io.Writer, f Format, document any) error {
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	if f == YAML {
		text, err = yaml.JSONToYAML(text)
	} else {
		text = append(text, '\n')
	}
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

package warren

import (
	"go/scanner"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// columns is how wide lines of code and prose may be; a tab counts as tabWidth columns.
const columns, tabWidth = 120, 4

// wide are files with wide lines, and why they have them.
var wide = map[string]string{
	"test/kube/main.go": "its content is the key of a build that takes many minutes: wait for another change",
}

// Lines of Go and Markdown are at most so wide. Exempt is what cannot be broken: tables, and text in raw strings.
func TestLines(t *testing.T) {
	for _, file := range sources(t, ".go", ".md") {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		exempt := tableLines
		if strings.HasSuffix(file, ".go") {
			exempt = rawLines
		}
		skip, number := exempt(source), 0
		for line := range strings.Lines(string(source)) {
			number++
			if n := width(strings.TrimRight(line, "\n")); n > columns && !skip[number] && wide[file] == "" {
				t.Errorf("%s:%d: %d columns", file, number, n)
			}
		}
	}
}

// width returns the columns that a line takes.
func width(line string) int {
	return utf8.RuneCountInString(line) + strings.Count(line, "\t")*(tabWidth-1)
}

var table = regexp.MustCompile(`^\s*\|`)

// tableLines returns the numbers of a Markdown file's lines that belong to tables.
func tableLines(source []byte) map[int]bool {
	lines := map[int]bool{}
	for i, line := range strings.Split(string(source), "\n") {
		lines[i+1] = table.MatchString(line)
	}
	return lines
}

// rawLines returns the numbers of a Go file's lines that raw strings of several lines lie on.
func rawLines(source []byte) map[int]bool {
	lines := map[int]bool{}
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, 0)
	for {
		pos, kind, text := s.Scan()
		if kind == token.EOF {
			return lines
		}
		if kind == token.STRING && text[0] == '`' && strings.Contains(text, "\n") {
			first := file.Line(pos)
			for i := range strings.Count(text, "\n") + 1 {
				lines[first+i] = true
			}
		}
	}
}

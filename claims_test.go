package warren

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	named   = regexp.MustCompile("`((?:Test|Benchmark)[A-Za-z0-9]+)`")
	defined = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark)[A-Za-z0-9]+)\(`)
)

// The tests that CONTRIBUTING.md says hold a claim exist.
func TestClaims(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	known := definedTests(t)
	claims := named.FindAllSubmatch(text, -1)
	if len(claims) < 20 {
		t.Errorf("only %d tests are named: the table is not where it was", len(claims))
	}
	for _, claim := range claims {
		if !known[string(claim[1])] {
			t.Errorf("CONTRIBUTING.md names %s, which does not exist", claim[1])
		}
	}
}

// definedTests returns the names of all tests and benchmarks in the work tree.
func definedTests(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, file := range sources(t, "_test.go") {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range defined.FindAllSubmatch(source, -1) {
			known[string(match[1])] = true
		}
	}
	return known
}

// sources lists the work tree's files whose names end in one of these.
func sources(t *testing.T, endings ...string) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS("."), ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (file == ".git" || file == "bin") {
			return fs.SkipDir
		}
		for _, ending := range endings {
			if strings.HasSuffix(file, ending) {
				files = append(files, file)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

package warren

import (
	"io/fs"
	"os"
	"path"
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
	known := definedTests(t)
	claims := claimedTests(t)
	if len(claims) < 20 {
		t.Errorf("only %d tests are named: the table is not where it was", len(claims))
	}
	for _, claim := range claims {
		if len(known[claim]) == 0 {
			t.Errorf("CONTRIBUTING.md names %s, which does not exist", claim)
		}
	}
}

// The tests and benchmarks that other pages name exist too.
func TestNamedOnPages(t *testing.T) {
	known := definedTests(t)
	pages, err := fs.Glob(os.DirFS("."), "docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		for _, name := range namedTests(t, page) {
			if len(known[name]) == 0 {
				t.Errorf("%s names %s, which does not exist", page, name)
			}
		}
	}
}

// claimedTests returns the names of the tests and benchmarks that CONTRIBUTING.md names.
func claimedTests(t *testing.T) (names []string) {
	t.Helper()
	return namedTests(t, "CONTRIBUTING.md")
}

// namedTests returns the names of the tests and benchmarks that a page names.
func namedTests(t *testing.T, page string) (names []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range named.FindAllSubmatch(text, -1) {
		names = append(names, string(match[1]))
	}
	return names
}

// definedTests returns, by the names of all tests and benchmarks in the work tree, the packages that have them.
func definedTests(t *testing.T) map[string][]string {
	t.Helper()
	known := map[string][]string{}
	for _, file := range sources(t, "_test.go") {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range defined.FindAllSubmatch(source, -1) {
			known[string(match[1])] = append(known[string(match[1])], "./"+path.Dir(file))
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

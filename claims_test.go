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
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	err = fs.WalkDir(os.DirFS("."), ".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path.Clean(file))
		for _, match := range defined.FindAllSubmatch(source, -1) {
			known[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
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

package warren

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// packageRow is a row of the architecture page's table of packages.
var packageRow = regexp.MustCompile("(?m)^\\| (`[a-z][a-z/-]*`(?:, `[a-z][a-z/-]*`)*) \\| ([^|]+) \\| ([^|]+) \\|$")

// The architecture page says of every package of the product what it owns and what it does not do, in a line.
func TestPackagesTable(t *testing.T) {
	page, err := os.ReadFile("mesh/README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, row := range packageRow.FindAllStringSubmatch(string(page), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			listed[strings.Trim(name, "`")] = true
		}
	}
	known := dependencies(t, "Imports")
	for name := range known {
		if !listed[name] && !below(name, "test") && name != "warren.mesh" {
			t.Errorf("mesh/README.md does not say what %s owns", name)
		}
	}
	for name := range listed {
		if known[name] == nil {
			t.Errorf("mesh/README.md has a line for %s, which does not exist", name)
		}
	}
}

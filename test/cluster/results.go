package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Results are the full names of upstream's tests, sorted, by what came of them.
type Results struct {
	Passed, Failed []string
	// Skipped are tests that were run and said that the cluster is not one for them.
	Skipped []string
	// Unselected are all others of upstream's.
	Unselected []string
}

// String returns how many tests were run, and the names of those that did not pass.
func (r Results) String() string {
	text := fmt.Sprintf("%d passed, %d failed, %d skipped", len(r.Passed), len(r.Failed), len(r.Skipped))
	for _, name := range r.Failed {
		text += "\nfailed: " + name
	}
	for _, name := range r.Skipped {
		text += "\nskipped: " + name
	}
	return text
}

// suite is what is read of one test suite in ginkgo's JSON report.
type suite struct {
	SpecReports []struct {
		ContainerHierarchyTexts    []string
		LeafNodeType, LeafNodeText string
		State                      string
		// Failure also says why a test skipped itself.
		Failure struct{ Message string }
	}
}

// readResults reads ginkgo's JSON report.
func readResults(report []byte) (r Results, err error) {
	var suites []suite
	if err := json.Unmarshal(report, &suites); err != nil {
		return Results{}, fmt.Errorf("read ginkgo's report: %w", err)
	}
	for _, s := range suites {
		for _, spec := range s.SpecReports {
			if spec.LeafNodeType != "It" { // what prepares and reports
				continue
			}
			list := &r.Failed // timedout, interrupted, panicked and others of ginkgo's states too
			switch {
			case spec.State == "passed":
				list = &r.Passed
			case spec.State == "skipped" && spec.Failure.Message != "":
				list = &r.Skipped
			case spec.State == "skipped" || spec.State == "pending":
				list = &r.Unselected
			}
			*list = append(*list, strings.Join(append(spec.ContainerHierarchyTexts, spec.LeafNodeText), " "))
		}
	}
	for _, list := range [][]string{r.Passed, r.Failed, r.Skipped, r.Unselected} {
		slices.Sort(list)
	}
	return r, nil
}

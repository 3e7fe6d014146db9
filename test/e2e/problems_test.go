package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"warren.mesh/test/lab"
)

// waitProblems waits until the node's metrics name exactly these problems, each "NODE FIELD", and wants its log to have
// named them.
func waitProblems(t *testing.T, n *lab.Node, wrong ...string) {
	t.Helper()
	slices.Sort(wrong)
	lab.Wait(t, time.Minute, n.Name+" to know what is wrong with others", func() error {
		if diff := cmp.Diff(wrong, problems(t, n), cmpopts.EquateEmpty()); diff != "" {
			return fmt.Errorf("problems in its metrics (-want +got):\n%s", diff)
		}
		return nil
	})
	log := loggedProblems(t, n)
	for _, problem := range wrong {
		if log[problem] == 0 {
			t.Errorf("%s: nothing in the log of problem %q", n.Name, problem)
		}
	}
}

func waitAllProblems(t *testing.T, nodes []*lab.Node, wrong ...string) {
	t.Helper()
	for _, n := range nodes {
		waitProblems(t, n, wrong...)
	}
}

var problemSeries = regexp.MustCompile(`^warren_node_problems{field="(.*)",node="(.*)"}$`)

// problems are those in the metrics, sorted.
func problems(t *testing.T, n *lab.Node) []string {
	t.Helper()
	var all []string
	for series := range n.Metrics(t) {
		if labels := problemSeries.FindStringSubmatch(series); labels != nil {
			all = append(all, labels[2]+" "+labels[1])
		}
	}
	slices.Sort(all)
	return all
}

var problemLine = regexp.MustCompile(`level=WARN msg="node has a problem" node=(\S+) field=(\S+) reason=.`)

// loggedProblems counts the lines of each problem, and wants every line of the log to be the daemon's own.
func loggedProblems(t *testing.T, n *lab.Node) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for line := range strings.Lines(n.Log()) {
		if !strings.HasPrefix(line, "time=") {
			t.Errorf("%s has logged a line of somebody else's: %q", n.Name, line)
		}
		if names := problemLine.FindStringSubmatch(line); names != nil {
			counts[names[1]+" "+names[2]]++
		}
	}
	return counts
}

package e2e

import (
	"errors"
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

// waitProblems waits until the node's log and metrics tell exactly these problems, each "NODE FIELD".
func waitProblems(t *testing.T, n *lab.Node, wrong ...string) {
	t.Helper()
	slices.Sort(wrong)
	fields := map[string]float64{}
	for _, problem := range wrong {
		_, field, _ := strings.Cut(problem, " ")
		fields[`warren_node_problems{field="`+field+`"}`]++
	}
	lab.Wait(t, time.Minute, n.Name+" to know what is wrong with others", func() error {
		_, now := loggedProblems(t, n)
		diff := cmp.Diff(wrong, now, cmpopts.EquateEmpty()) + cmp.Diff(fields, problemSeries(t, n))
		if diff != "" {
			return fmt.Errorf("problems (-want +got):\n%s", diff)
		}
		return nil
	})
	// The problems are told before the pass that found them has written what follows from them.
	lab.Wait(t, time.Minute, "the pass of "+n.Name+" to end", func() error {
		s, err := toldStatus(t, n)
		if err == nil && !s.Pass.Began.IsZero() {
			err = errors.New("it is under way")
		}
		return err
	})
}

func waitAllProblems(t *testing.T, nodes []*lab.Node, wrong ...string) {
	t.Helper()
	for _, n := range nodes {
		waitProblems(t, n, wrong...)
	}
}

// problemSeries are the numbers of problems in the metrics, by series.
func problemSeries(t *testing.T, n *lab.Node) map[string]float64 {
	t.Helper()
	metrics := n.Metrics(t)
	for series := range metrics {
		if !strings.HasPrefix(series, "warren_node_problems{") {
			delete(metrics, series)
		}
	}
	return metrics
}

var (
	startLine   = regexp.MustCompile(`level=INFO msg=starting `)
	problemLine = regexp.MustCompile(`level=WARN msg="node has a problem" node=(\S+) field=(\S+) reason=.`)
	goneLine    = regexp.MustCompile(`level=INFO msg="node's problem is gone" node=(\S+) field=(\S+) reason=.`)
)

// loggedProblems counts the lines of each problem, and lists those that are not gone, sorted. It wants every line of
// the log to be the daemon's own.
func loggedProblems(t *testing.T, n *lab.Node) (lines map[string]int, now []string) {
	t.Helper()
	lines = map[string]int{}
	for line := range strings.Lines(n.Log()) {
		if !strings.HasPrefix(line, "time=") {
			t.Errorf("%s has logged a line of somebody else's: %q", n.Name, line)
		}
		if startLine.MatchString(line) {
			now = nil
		}
		if names := problemLine.FindStringSubmatch(line); names != nil {
			problem := names[1] + " " + names[2]
			lines[problem]++
			now = append(now, problem)
		}
		if names := goneLine.FindStringSubmatch(line); names != nil {
			if i := slices.Index(now, names[1]+" "+names[2]); i >= 0 {
				now = slices.Delete(now, i, i+1)
			}
		}
	}
	slices.Sort(now)
	return lines, now
}

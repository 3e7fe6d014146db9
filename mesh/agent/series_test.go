package agent_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/status"
)

// everything is a snapshot in which all that has a metric of its own is wrong, waits or is counted.
func everything(s status.Snapshot, now time.Time) status.Snapshot {
	s.Enforcement = status.Enforcement{On: true, Synced: now}
	s = s.Report("api server", fmt.Errorf("%w for it", mesh.ErrWaiting), now)
	s = s.Report("host", os.ErrPermission, now)
	s = s.Warn("host ports", "flushed", now)
	return s.WithProblems([]mesh.Problem{{Node: "b", Field: mesh.FieldProof, Reason: "none"}}, now)
}

// silence has every peer that is given sent something at two readings, and answer neither.
func (m *machine) silence(peers ...int) {
	for sent := range uint64(2) {
		for _, n := range peers {
			m.host.Traffic(key(n), 1+sent, 0)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
	}
}

// scrape returns everything that has a metric.
func scrape(t *testing.T) (body string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var api meshtest.API
		api.Create(object(1), announced(2))
		a := newMachine(&api, 1)
		a.policyCounters = func(context.Context) (map[string]uint64, error) {
			return map[string]uint64{
				"denied-egress": 1, "denied-ingress": 2, "unknown": 3, "stray": 4, "spoofed": 5, "beside": 6,
			}, nil
		}
		a.probes = func() status.Probes {
			p := status.Probes{Peers: map[string]status.Measurement{"node-2": {PathMTU: 1280}}}
			p.Add(time.Millisecond, true)
			p.Add(0, false)
			return p
		}
		a.host.SetLeaks(map[string]uint64{"leak-pod": 3})
		a.start()
		settle()
		a.silence(2)
		a.agent.Status().Update(func(s status.Snapshot) status.Snapshot { return everything(s, time.Now()) })
		_, body = a.get("/metrics")
		a.end()
	})
	return body
}

// sampleName is how a line with a sample begins.
var sampleName = regexp.MustCompile(`(?m)^warren_[a-z_]+`)

// histogramPart is a series of a histogram.
var histogramPart = regexp.MustCompile(`(?m)^(warren_probe_rtt_seconds)_(bucket|count|sum)`)

// A metric that no state of a daemon shows would be none. What Prometheus' own linter finds is a fault.
func TestMetricsAreWellFormed(t *testing.T) {
	body := scrape(t)
	names := sampleName.FindAllString(histogramPart.ReplaceAllString(body, "$1"), -1)
	slices.Sort(names)
	if diff := cmp.Diff(agent.MetricNames(), slices.Compact(names)); diff != "" {
		t.Errorf("described and shown (-want +got):\n%s", diff)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "warren_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// metricRow is a row of the document's table.
var metricRow = regexp.MustCompile("(?m)^\\| `(warren_[a-z_]+)[`{]")

// The document has a row for each metric, and no other rows.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, row := range metricRow.FindAllStringSubmatch(string(page), -1) {
		rows = append(rows, row[1])
	}
	slices.Sort(rows)
	if diff := cmp.Diff(agent.MetricNames(), rows); diff != "" {
		t.Errorf("metrics and rows of docs/metrics.md (-want +got):\n%s", diff)
	}
}

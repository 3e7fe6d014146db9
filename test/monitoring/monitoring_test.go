package monitoring_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/events"
	"warren.mesh/mesh/status"
)

const root = "../../"

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(root + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// alert is a rule of the alerts' file.
type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// ruleFile is what Prometheus itself reads.
type ruleFile struct {
	Groups []struct {
		Name  string  `json:"name"`
		Rules []alert `json:"rules"`
	} `json:"groups"`
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	for _, g := range rules(t).Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 9 {
		t.Fatalf("%d alerts", len(all))
	}
	return all
}

func rules(t *testing.T) ruleFile {
	t.Helper()
	var object struct{ Spec ruleFile }
	if err := yaml.Unmarshal([]byte(read(t, "manifests/monitoring/alerts/alerts.yaml")), &object); err != nil {
		t.Fatal(err)
	}
	return object.Spec
}

var (
	metricRow  = regexp.MustCompile("(?m)^\\| `(warren_[a-z_]+)[`{]")
	metricName = regexp.MustCompile(`\bwarren_[a-z_]+\b`)
)

// histogramRow is the row of a metric that a scrape has as three.
var histogramRow = regexp.MustCompile("(?m)^\\| `(warren_[a-z_]+)` \\| histogram \\|")

// wantMetrics wants a text to name metrics, and only those that docs/metrics.md has: it has them all.
func wantMetrics(t *testing.T, where, text string) {
	t.Helper()
	var known []string
	for _, row := range metricRow.FindAllStringSubmatch(read(t, "docs/metrics.md"), -1) {
		known = append(known, row[1])
	}
	for _, row := range histogramRow.FindAllStringSubmatch(read(t, "docs/metrics.md"), -1) {
		known = append(known, row[1]+"_bucket", row[1]+"_sum", row[1]+"_count")
	}
	for _, name := range metricName.FindAllString(text, -1) {
		if !slices.Contains(known, name) {
			t.Errorf("%s: there is no metric %s", where, name)
		}
	}
}

func TestAlerts(t *testing.T) {
	for _, a := range alerts(t) {
		wantMetrics(t, a.Alert, a.Expr)
		wantMetrics(t, a.Alert, a.Annotations["description"])
		if s := a.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s: severity %q", a.Alert, s)
		}
		if a.For == "" || a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s: lacks a duration, a summary or a description: %+v", a.Alert, a)
		}
		if want := doctor.Runbooks + "#" + a.Alert; a.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url %q, want %q", a.Alert, a.Annotations["runbook_url"], want)
		}
	}
}

// What opens or closes pods has an alert.
func TestPoliciesHaveAlerts(t *testing.T) {
	for _, gauge := range []string{
		`warren_policy_problems{job="warren"}`, `warren_policy_waiting_pods{job="warren"}`,
		`warren_warning{job="warren",step="` + string(status.StepServices) + `"}`,
		`warren_admission_policies_missing{job="warren"}`,
	} {
		asks := func(a alert) bool { return strings.Contains(a.Expr, gauge) }
		if !slices.ContainsFunc(alerts(t), asks) {
			t.Errorf("no alert asks for %s", gauge)
		}
	}
}

// anchor is what a link to a runbook leads to; the heading below it repeats the ID.
var anchor = regexp.MustCompile(`(?m)^<a id="([A-Za-z0-9]+)"></a>\n### ([A-Za-z0-9]+)\b`)

// Each check of the doctor, each alert and each reason of an Event has a runbook, and each runbook is of one of them.
func TestRunbooks(t *testing.T) {
	var want, got []string
	for _, e := range doctor.Entries() {
		want = append(want, string(e.ID))
	}
	for _, a := range alerts(t) {
		want = append(want, a.Alert)
	}
	for _, r := range events.Reasons() {
		want = append(want, string(r))
	}
	for _, a := range anchor.FindAllStringSubmatch(read(t, "docs/runbooks.md"), -1) {
		got = append(got, a[1])
		if a[1] != a[2] {
			t.Errorf("%s is the anchor of %s", a[1], a[2])
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checks, alerts and Events, and docs/runbooks.md (-want +got):\n%s", diff)
	}
}

var link = regexp.MustCompile(`\]\(([a-z-]+\.md|)(?:#([A-Za-z0-9-]+))?\)`)

// Links among the documents lead somewhere.
func TestLinks(t *testing.T) {
	pages, err := os.ReadDir(root + "docs")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		for _, l := range link.FindAllStringSubmatch(read(t, "docs/"+page.Name()), -1) {
			to := l[1]
			if to == "" {
				to = page.Name()
			}
			content, err := os.ReadFile(root + "docs/" + to)
			if err != nil {
				t.Errorf("docs/%s: %v", page.Name(), err)
			} else if l[2] != "" && !has(string(content), l[2]) {
				t.Errorf("docs/%s: docs/%s has no %s", page.Name(), to, l[2])
			}
		}
	}
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped = regexp.MustCompile("[^a-z0-9 -]")
)

// has reports whether a page has an anchor of its own or a heading whose anchor that is, as GitHub makes them.
func has(page, id string) bool {
	if strings.Contains(page, `<a id="`+id+`">`) {
		return true
	}
	for _, h := range heading.FindAllStringSubmatch(page, -1) {
		text := dropped.ReplaceAllString(strings.ToLower(h[1]), "")
		if strings.ReplaceAll(text, " ", "-") == id {
			return true
		}
	}
	return false
}

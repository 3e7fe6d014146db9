package monitoring_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"warren.mesh/mesh/meshtest"
)

// dashboard is what the tests read of Grafana's format.
type dashboard struct {
	Title         string
	UID           string
	SchemaVersion int
	Templating    struct {
		List []variable
	}
	Panels []panel
}

type variable struct{ Name, Type, Definition string }

type panel struct {
	Title      string
	Type       string
	ID         int
	Datasource datasource
	GridPos    struct{ X, Y, W, H int }
	Targets    []struct {
		RefID      string
		Expr       string
		Datasource datasource
	}
}

type datasource struct{ Type, UID string }

func grafana(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, "manifests/monitoring/dashboard/dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// Each panel has queries, and each of them asks for a metric of warren's or whether a daemon is up.
func TestDashboard(t *testing.T) {
	d := grafana(t)
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || len(p.Targets) == 0 {
			t.Errorf("panel %q has ID %d and %d queries", p.Title, p.ID, len(p.Targets))
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			wantMetrics(t, p.Title, target.Expr)
			if !regexp.MustCompile(`\b(warren_|up\{job="warren"\})`).MatchString(target.Expr) {
				t.Errorf("%s: %s asks for nothing of warren's", p.Title, target.Expr)
			}
		}
	}
	for _, v := range d.Templating.List {
		wantMetrics(t, v.Name, v.Definition)
	}
	if len(ids) < 10 {
		t.Errorf("%d panels", len(ids))
	}
}

// Grafana draws 24 columns (its dashboard JSON model); schema version 36 is the first whose panels name their data
// source by type and UID.
const columns, schema = 24, 36

// No Grafana runs here. So the test wants what Grafana needs to load the dashboard, and no panel on top of another.
func TestDashboardLoads(t *testing.T) {
	d := grafana(t)
	if d.UID == "" || d.Title == "" || d.SchemaVersion < schema {
		t.Errorf("UID %q, title %q, schema version %d", d.UID, d.Title, d.SchemaVersion)
	}
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
	}
	if variables["datasource"] != "datasource" || variables["node"] != "query" {
		t.Errorf("variables %v", variables)
	}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if !slices.Contains([]string{"stat", "timeseries"}, p.Type) {
			t.Errorf("panel %q is a %q", p.Title, p.Type)
		}
		if g := p.GridPos; g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > columns {
			t.Errorf("panel %q is at %+v", p.Title, g)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" {
					t.Fatalf("panels %q and %q are both at %v", p.Title, other, at)
				}
				taken[at] = p.Title
			}
		}
		wantSource(t, p)
	}
}

// wantSource wants each query of a panel to ask the data source that the reader has chosen.
func wantSource(t *testing.T, p panel) {
	t.Helper()
	want, names := datasource{"prometheus", "${datasource}"}, map[string]bool{}
	for _, target := range p.Targets {
		if target.Datasource != want || target.RefID == "" || names[target.RefID] {
			t.Errorf("panel %q: query %q asks %+v, want %+v", p.Title, target.RefID, target.Datasource, want)
		}
		names[target.RefID] = true
	}
	if p.Datasource != want {
		t.Errorf("panel %q asks %+v, want %+v", p.Title, p.Datasource, want)
	}
}

// Prometheus' own tool parses each query, as a rule.
func TestPrivilegedDashboardQueries(t *testing.T) {
	meshtest.Privileged(t)
	tool := promtool(t)
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var all []rule
	for _, p := range grafana(t).Panels {
		for _, target := range p.Targets {
			expr := strings.ReplaceAll(target.Expr, "$node", ".*")
			if strings.Contains(expr, "$") {
				t.Errorf("panel %q uses a variable that the dashboard does not have: %s", p.Title, expr)
			}
			all = append(all, rule{fmt.Sprintf("panel:query:%d", len(all)), expr})
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": all}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "panels.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

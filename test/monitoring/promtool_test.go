package monitoring_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/artifact"
)

const cases = "test/monitoring/testdata/alerts_test.yaml"

// promtool returns the path of Prometheus' own tool. Where nothing is cached, the compiler takes two or three minutes.
func promtool(t *testing.T) string {
	t.Helper()
	dir, err := artifact.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	module, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	path, err := artifact.Cache{Dir: dir, Progress: t.Logf}.Get(t.Context(), artifact.Promtool(module))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// The alerts fire when they should, and not before. It takes a second.
func TestPrivilegedAlerts(t *testing.T) {
	meshtest.Privileged(t)
	tool := promtool(t)
	work := t.TempDir()
	file, err := yaml.Marshal(rules(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"alerts.yaml": file, "alerts_test.yaml": []byte(read(t, cases))} {
		if err := os.WriteFile(filepath.Join(work, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"check", "rules", "--lint-fatal", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"},
	} {
		c := exec.CommandContext(t.Context(), tool, args...)
		c.Dir = work
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// Each alert has a case in which it fires, and one in which it does not.
func TestAlertsHaveCases(t *testing.T) {
	var file struct {
		Tests []struct {
			Rules []struct {
				Name string `json:"alertname"`
				Want []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, cases)), &file); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, c := range file.Tests {
		for _, r := range c.Rules {
			fires[r.Name] = fires[r.Name] || len(r.Want) > 0
			silent[r.Name] = silent[r.Name] || len(r.Want) == 0
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !silent[a.Alert] {
			t.Errorf("%s: fires in a case: %t, does not in another: %t", a.Alert, fires[a.Alert], silent[a.Alert])
		}
		delete(fires, a.Alert)
	}
	for name := range fires {
		t.Errorf("%s: there is no such alert", name)
	}
}

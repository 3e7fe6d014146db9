package manifests_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/artifact"
)

var update = flag.Bool("update", false, "rewrite the rendered manifests")

const header = `# Rendered from this directory by "make manifests", for kubectl apply -f. Set the image (of two containers
# and the init container) and, in the ConfigMap, WARREN_CLUSTER_CIDRS. Or leave this file alone and write an
# overlay: see the README.
`

const removalHeader = `# Rendered from uninstall/ by "make manifests", for kubectl replace --save-config -f. Set the image (of the
# container and the init container). Or leave this file alone and write an overlay: see the README.
`

// rendered are the files that "make manifests" writes: each from the kustomization in dir, behind a header.
var rendered = []struct{ file, dir, header string }{
	{"warren.yaml", ".", header},
	{"warren-uninstall.yaml", "uninstall", removalHeader},
}

// The rendered manifests are what the kustomizations say.
func TestPrivilegedRendered(t *testing.T) {
	meshtest.Privileged(t)
	for _, r := range rendered {
		file := filepath.Join(base(t), r.file)
		want := r.header + render(t, filepath.Join(base(t), r.dir))
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is not what the kustomization says: make manifests (-want +got):\n%s", file, diff)
		}
	}
}

// render asks the kubectl of the lab: others may have another kustomize.
func render(t *testing.T, dir string) string {
	t.Helper()
	cache, err := artifact.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	control, err := artifact.Cache{Dir: cache, Progress: t.Logf}.Get(t.Context(),
		artifact.Control(filepath.Dir(base(t))))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), control, "kustomize", dir)
	c.Args[0], c.Stderr = "kubectl", os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("render %s: %v", dir, err)
	}
	return string(out)
}

// An overlay can add what Prometheus Operator and Grafana read, in warren's namespace; without it there is none of it.
func TestPrivilegedMonitoring(t *testing.T) {
	meshtest.Privileged(t)
	plain, monitored := render(t, base(t)), render(t, filepath.Join("testdata", "overlays", "monitoring"))
	for _, kind := range []string{"PodMonitor", "PrometheusRule"} {
		if line := "\nkind: " + kind + "\n"; strings.Contains(plain, line) || strings.Count(monitored, line) != 1 {
			t.Errorf("%s: %d without the components, %d with them", kind, strings.Count(plain, line),
				strings.Count(monitored, line))
		}
	}
	const dashboard = "  labels:\n    grafana_dashboard: \"1\"\n  name: warren-dashboard\n  namespace: kube-system\n"
	if !strings.Contains(monitored, dashboard) {
		t.Error("no dashboard for Grafana's sidecar")
	}
}

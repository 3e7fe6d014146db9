package helm_test

import (
	"log/slog"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

// Helm tells of each link in the chart, which is made of them.
func TestMain(m *testing.M) {
	slog.SetLogLoggerLevel(slog.LevelWarn)
	os.Exit(m.Run())
}

const (
	manifests = "../../manifests"
	chart     = manifests + "/chart"
	// Where the kustomization puts warren.
	namespace = "kube-system"
)

type object = map[string]any

// render returns the chart's objects with these values, by kind and name.
func render(t *testing.T, values object) map[string]object {
	t.Helper()
	objects, err := tryRender(t, namespace, values)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// tryRender returns them, or why the chart refuses the values.
func tryRender(t *testing.T, namespace string, values object) (map[string]object, error) {
	t.Helper()
	files, err := renderFiles(t, namespace, values)
	if err != nil {
		return nil, err
	}
	objects := map[string]object{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Ext(name) == ".yaml" {
			maps.Copy(objects, parse(t, files[name]))
		}
	}
	return objects, nil
}

// renderFiles returns what the chart's templates become, by path, or why the chart refuses the values.
func renderFiles(t *testing.T, namespace string, values object) (map[string]string, error) {
	t.Helper()
	c, err := loader.LoadDir(chart)
	if err != nil {
		t.Fatal(err)
	}
	release := common.ReleaseOptions{Name: "any", Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

// parse returns the objects of a text, by kind and name.
func parse(t *testing.T, text string) map[string]object {
	t.Helper()
	objects := map[string]object{}
	for part := range strings.SplitSeq("\n"+text, "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(part), &o); err != nil {
			t.Fatalf("%v\n%s", err, part)
		}
		if o == nil {
			continue
		}
		meta, _ := o["metadata"].(object)
		kind, _ := o["kind"].(string)
		name, _ := meta["name"].(string)
		if id := kind + " " + name; kind == "" || name == "" || objects[id] != nil {
			t.Fatalf("%q: no object, or twice:\n%s", id, part)
		} else {
			objects[id] = o
		}
	}
	return objects
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(path.Join(manifests, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// The chart renders what the kustomization does, to the hash in the ConfigMap's name. manifests/warren.yaml is what the
// kustomization renders, as a test of the lab lane holds.
func TestDefaultIsTheKustomization(t *testing.T) {
	// kustomize doubles newlines when it writes a folded text; to CEL they are space.
	got, want := render(t, nil), parse(t, strings.ReplaceAll(read(t, "warren.yaml"), "\n\n", "\n"))
	if len(want) < 10 {
		t.Fatalf("%d objects in manifests/warren.yaml", len(want))
	}
	for id, o := range want {
		if strings.HasPrefix(id, "ValidatingAdmissionPolicy") {
			// kustomize does not know that these are in no namespace.
			delete(o["metadata"].(object), "namespace")
		}
	}
	for id, o := range got {
		if strings.HasPrefix(id, "ConfigMap warren-") {
			// kubectl apply leaves ConfigMaps of earlier configurations; Helm has to be told.
			delete(o["metadata"].(object), "annotations")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifests/warren.yaml, and the chart (-want +got):\n%s", diff)
	}
}

func TestMonitoring(t *testing.T) {
	plain := render(t, nil)
	got := render(t, object{"monitoring": object{"podMonitor": true, "alerts": true, "dashboard": true}})
	maps.DeleteFunc(got, func(id string, _ object) bool { return plain[id] != nil })
	want := parse(t, read(t, "monitoring/podmonitor/podmonitor.yaml"))
	maps.Copy(want, parse(t, read(t, "monitoring/alerts/alerts.yaml")))
	want["ConfigMap warren-dashboard"] = object{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": object{
			"name": "warren-dashboard", "namespace": namespace,
			"labels": object{"app.kubernetes.io/name": "warren", "grafana_dashboard": "1"},
		},
		"data": object{"warren.json": read(t, "monitoring/dashboard/dashboard.json")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifests/monitoring, and the chart (-want +got):\n%s", diff)
	}
}

func TestLint(t *testing.T) {
	linter := lint.RunAll(chart, nil, namespace)
	for _, m := range linter.Messages {
		// For information, it wants an icon.
		if m.Severity > support.InfoSev {
			t.Error(m)
		}
	}
}

package helm_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// pages tell people to remove warren, with a command that takes a manifest to the cluster.
var pages = []string{"../README.md", "../docs/install.md"}

var (
	takes   = regexp.MustCompile(`kubectl (\w+) .*(?:site/uninstall/|warren-uninstall\.yaml)\n`)
	deletes = regexp.MustCompile(`kubectl -n ([\w-]+) delete ([\w,]+) -l ([\w./-]+)=(\w+)\n`)
)

// The removal runs alone in the pods of a DaemonSet that Helm has made. Such a DaemonSet has no annotation of kubectl
// that says what was applied. Those made by `kubectl create` or by server-side apply have none either.
func TestRemovalRunsAlone(t *testing.T) {
	live := render(t, nil)["DaemonSet warren"]
	removal := parse(t, read(t, "warren-uninstall.yaml"))["DaemonSet warren"]
	for _, page := range pages {
		verbs := takes.FindAllStringSubmatch(read(t, page), -1)
		if len(verbs) == 0 {
			t.Errorf("%s has no command for the removal", page)
		}
		for _, verb := range verbs {
			got := after(t, verb[1], live, removal)
			if diff := cmp.Diff([]string{"uninstall", "done"}, containers(got)); diff != "" {
				t.Errorf("%s: %s containers (-want +got):\n%s", page, verb[0], diff)
			}
			// The API server refuses another selector.
			if diff := cmp.Diff(decode(t, live).Spec.Selector, got.Spec.Selector); diff != "" {
				t.Errorf("%s: %s selector (-want +got):\n%s", page, verb[0], diff)
			}
		}
	}
}

// after returns what one of kubectl's commands makes of a DaemonSet that kubectl has not applied.
func after(t *testing.T, verb string, live, removal object) appsv1.DaemonSet {
	t.Helper()
	switch verb {
	case "replace":
		return decode(t, removal)
	case "apply":
		return decode(t, merge(t, live, removal))
	}
	t.Fatalf("nobody knows what kubectl %s does", verb)
	return appsv1.DaemonSet{}
}

// merge does what kubectl apply does without an annotation: it knows nothing that it could remove.
func merge(t *testing.T, live, modified object) (merged object) {
	t.Helper()
	meta, err := strategicpatch.NewPatchMetaFromStruct(appsv1.DaemonSet{})
	if err != nil {
		t.Fatal(err)
	}
	current := encode(t, live)
	patch, err := strategicpatch.CreateThreeWayMergePatch(nil, encode(t, modified), current, meta, true)
	if err != nil {
		t.Fatal(err)
	}
	text, err := strategicpatch.StrategicMergePatch(current, patch, appsv1.DaemonSet{})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &merged); err != nil {
		t.Fatal(err)
	}
	return merged
}

func encode(t *testing.T, o object) []byte {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decode(t *testing.T, o object) (ds appsv1.DaemonSet) {
	t.Helper()
	if err := json.Unmarshal(encode(t, o), &ds); err != nil {
		t.Fatal(err)
	}
	return ds
}

// containers returns the names of a DaemonSet's containers in the order in which they start.
func containers(ds appsv1.DaemonSet) (names []string) {
	for _, c := range slices.Concat(ds.Spec.Template.Spec.InitContainers, ds.Spec.Template.Spec.Containers) {
		names = append(names, c.Name)
	}
	return names
}

// `helm uninstall` leaves two kinds of objects: those that the chart tells it to keep, and the removal's DaemonSet,
// which does not say that it is of a release. The last command deletes both.
func TestHelmsLeftoversAreDeleted(t *testing.T) {
	left := parse(t, read(t, "warren-uninstall.yaml"))
	for id, o := range render(t, object{"monitoring": object{"dashboard": true}}) {
		annotations, _ := o["metadata"].(object)["annotations"].(object)
		if annotations["helm.sh/resource-policy"] != nil {
			left[id] = o
		}
	}
	if len(left) != 2 {
		t.Errorf("%d objects are left, want a DaemonSet and a ConfigMap", len(left))
	}
	for _, page := range pages {
		command := deletes.FindStringSubmatch(read(t, page))
		if command == nil {
			t.Errorf("%s has no command that deletes what is left", page)
			continue
		}
		kinds := strings.Split(command[2], ",")
		for id, o := range left {
			kind, _ := o["kind"].(string)
			meta, _ := o["metadata"].(object)
			labels, _ := meta["labels"].(object)
			if !slices.Contains(kinds, strings.ToLower(kind)+"s") || meta["namespace"] != command[1] ||
				labels[command[3]] != command[4] {
				t.Errorf("%s: %s does not delete %s", page, command[0], id)
			}
		}
	}
}

package manifests_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/test/lab"
	"warren.mesh/test/readme"
)

// testRemoval takes the README's removal to the cluster, whatever made the daemon's DaemonSet: Helm, like create and
// server-side apply, leaves no annotation that says what was applied. Applied again, the manifests bring the daemon
// back, and nothing of the removal stays.
func testRemoval(t *testing.T, l *lab.Lab, daemon appsv1.DaemonSet) {
	removal := readmeRemoval(t)
	for name, install := range map[string][]string{
		"apply":             {"apply"},
		"create":            {"create"},
		"server-side apply": {"apply", "--server-side"},
	} {
		t.Run(name, func(t *testing.T) {
			l.Kubectl(t, "", "--namespace="+daemon.Namespace, "delete", "daemonset", daemon.Name)
			install = append(install, "--output=json", "--filename=-")
			before := daemonSet(t, oneItem(l.Kubectl(t, made(t, daemon), install...)))
			after := daemonSet(t, oneItem(l.Kubectl(t, "", append(removal, "--validate=strict", "--output=json")...)))
			wantRemoval(t, before, after)
			back := daemonSet(t, l.Kubectl(t, "", "apply", "--output=json", "-k", base(t)))
			if diff := cmp.Diff(containers(daemon), containers(back)); diff != "" {
				t.Errorf("installed again, the containers are (-want +got):\n%s", diff)
			}
		})
	}
}

// readmeRemoval returns the arguments of the README's command for kubectl, with warren's own removal in the place of
// the overlay.
func readmeRemoval(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(base(t), "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range readme.Parse(string(text)).Commands {
		words := strings.Fields(c.Text)
		if i := slices.Index(words, "site/uninstall/"); c.Section == "Uninstall" && i > 0 {
			words[i] = filepath.Join(base(t), "uninstall")
			return words[1:]
		}
	}
	t.Fatal("the README has no command for the removal")
	return nil
}

// made is the text of a DaemonSet that nobody has stored yet.
func made(t *testing.T, ds appsv1.DaemonSet) string {
	t.Helper()
	ds.ObjectMeta = metav1.ObjectMeta{Name: ds.Name, Namespace: ds.Namespace, Labels: ds.Labels}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": ds.ObjectMeta, "spec": ds.Spec,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// oneItem is a list of one object.
func oneItem(object string) string { return `{"items":[` + object + `]}` }

// The removal takes the place of the daemon, so it is the same object, runs as the same account on the same nodes from
// the same image, and asks for no more.
func wantRemoval(t *testing.T, before, after appsv1.DaemonSet) {
	t.Helper()
	same := func(ds appsv1.DaemonSet) []any {
		pod := ds.Spec.Template.Spec
		return []any{ds.Name, ds.Namespace, ds.Labels, ds.UID, pod.ServiceAccountName, pod.NodeSelector,
			pod.Tolerations, pod.InitContainers[0].Image, pod.Containers[0].Image}
	}
	if diff := cmp.Diff(same(before), same(after)); diff != "" {
		t.Errorf("(-daemon +removal):\n%s", diff)
	}
	wantAsks(t, after.Spec.Template.Spec, asks{
		Capabilities: map[string][]corev1.Capability{"uninstall": {"NET_ADMIN"}, "done": nil},
		Paths: []string{"/etc/cni/net.d", "/opt/cni/bin", "/proc/sys/net", "/run/warren", "/var/lib/warren",
			"/var/run/wireguard"},
	})
}

// containers returns the names of a DaemonSet's containers in the order in which they start.
func containers(ds appsv1.DaemonSet) (names []string) {
	for _, c := range slices.Concat(ds.Spec.Template.Spec.InitContainers, ds.Spec.Template.Spec.Containers) {
		names = append(names, c.Name)
	}
	return names
}

// Package manifests_test asks a real API server what the manifests are worth.
package manifests_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	authorization "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes/typed/authorization/v1"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

const account = "system:serviceaccount:kube-system:warren"

func TestPrivilegedManifests(t *testing.T) {
	meshtest.Privileged(t)
	l := lab.Start(t, lab.Options{Nodes: 1})
	base, err := filepath.Abs("../../manifests")
	if err != nil {
		t.Fatal(err)
	}
	// An unknown or misspelt field is an error, a default comes back in the answer.
	answer := l.Kubectl(t, "", "apply", "--dry-run=server", "--validate=strict", "--output=json", "-k", base)
	t.Run("pod", func(t *testing.T) { testPod(t, daemonSet(t, answer).Spec.Template.Spec) })
	t.Run("rights", func(t *testing.T) { testRights(t, l) })
}

func daemonSet(t *testing.T, list string) appsv1.DaemonSet {
	t.Helper()
	var objects struct{ Items []json.RawMessage }
	if err := json.Unmarshal([]byte(list), &objects); err != nil {
		t.Fatal(err)
	}
	for _, item := range objects.Items {
		var ds appsv1.DaemonSet
		if err := json.Unmarshal(item, &ds); err == nil && ds.Kind == "DaemonSet" {
			return ds
		}
	}
	t.Fatalf("no DaemonSet in %s", list)
	return appsv1.DaemonSet{}
}

// The daemon asks for one capability, and for no more of the host than is listed here.
func testPod(t *testing.T, pod corev1.PodSpec) {
	capabilities := map[string][]corev1.Capability{}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		s := c.SecurityContext
		if s.Privileged != nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("container %s: security context %v", c.Name, s)
		}
		capabilities[c.Name] = s.Capabilities.Add
	}
	want := map[string][]corev1.Capability{"install-cni": nil, "warren": {"NET_ADMIN"}, "wireguard": {"NET_ADMIN"}}
	if diff := cmp.Diff(want, capabilities); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
	var paths []string
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			paths = append(paths, v.HostPath.Path)
		}
	}
	slices.Sort(paths)
	wantPaths := []string{"/dev/net", "/etc/cni/net.d", "/opt/cni/bin", "/proc/sys/net", "/run/warren", "/var/lib/warren", "/var/run/wireguard"}
	if diff := cmp.Diff(wantPaths, paths); diff != "" {
		t.Errorf("host paths (-want +got):\n%s", diff)
	}
	if pod.HostPID || pod.HostIPC || !pod.HostNetwork {
		t.Errorf("hostPID %v, hostIPC %v, hostNetwork %v", pod.HostPID, pod.HostIPC, pod.HostNetwork)
	}
}

// The lab has applied the manifests: the API server's authorizer answers for the account.
func testRights(t *testing.T, l *lab.Lab) {
	reviews, err := client.NewForConfig(l.Config())
	if err != nil {
		t.Fatal(err)
	}
	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	for resource, want := range map[string]string{
		"nodes": "list watch patch", "nodes/status": "patch", "nodes/proxy": "", "pods": "", "secrets": "", "configmaps": "",
	} {
		var got []string
		for _, verb := range verbs {
			name, sub, _ := strings.Cut(resource, "/")
			review := &authorization.SubjectAccessReview{Spec: authorization.SubjectAccessReviewSpec{
				User:               account,
				Groups:             []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"},
				ResourceAttributes: &authorization.ResourceAttributes{Verb: verb, Resource: name, Subresource: sub, Namespace: "", Version: "v1"},
			}}
			answer, err := reviews.SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if answer.Status.Allowed {
				got = append(got, verb)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s may %v %s, want %q", account, got, resource, want)
		}
	}
}

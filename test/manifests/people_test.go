package manifests_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorization "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh/view"
	"warren.mesh/test/lab"
)

// bindings give each of the roles for people to an account of its own.
const bindings = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-view}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: warren-view}
subjects: [{kind: ServiceAccount, namespace: default, name: viewer}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: test-debug, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: warren-debug}
subjects: [{kind: ServiceAccount, namespace: default, name: debugger}]
`

// The roles for people let them look and, with warren-debug, execute in warren's namespace; nothing else.
func testPeople(t *testing.T, l *lab.Lab) {
	l.Kubectl(t, bindings, "apply", "--filename=-")
	viewer := types.NamespacedName{Namespace: "default", Name: "viewer"}
	debugger := types.NamespacedName{Namespace: "default", Name: "debugger"}
	for _, who := range []struct {
		account        types.NamespacedName
		verb, resource string
	}{{viewer, "list", "nodes"}, {debugger, "create", "pods/exec"}} {
		lab.Wait(t, patience, "the rights of "+who.account.Name, func() error {
			if !permitted(t, l, who.account, who.verb, who.resource, "kube-system") {
				return errors.New("not yet")
			}
			return nil
		})
	}
	got := map[string][]string{}
	for _, account := range []types.NamespacedName{viewer, debugger} {
		for _, namespace := range []string{"kube-system", "default"} {
			for _, resource := range []string{
				"nodes", "pods", "pods/exec", "pods/proxy", "nodes/proxy", "secrets", "events", "services",
			} {
				for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete"} {
					if permitted(t, l, account, verb, resource, namespace) {
						key := account.Name + " in " + namespace
						got[key] = append(got[key], verb+" "+resource)
					}
				}
			}
		}
	}
	view := []string{"get nodes", "list nodes", "get pods", "list pods", "get services", "list services"}
	want := map[string][]string{
		"viewer in kube-system": view, "viewer in default": view,
		"debugger in kube-system": {"get pods", "list pods", "get pods/exec", "create pods/exec"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights (-want +got):\n%s", diff)
	}
	wantViewed(t, l)
}

func permitted(t *testing.T, l *lab.Lab, who types.NamespacedName, verb, resource, namespace string) bool {
	t.Helper()
	name, sub, _ := strings.Cut(resource, "/")
	what := authorization.ResourceAttributes{Verb: verb, Resource: name, Subresource: sub, Version: "v1"}
	if name != "nodes" {
		what.Namespace = namespace
	}
	ok, err := may(t, l, who, what)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// wantViewed wants the plugin to read with warren-view alone all that the API server tells, and what daemons say to be
// unknown.
func wantViewed(t *testing.T, l *lab.Lab) {
	t.Helper()
	plugin := filepath.Join(t.TempDir(), "kubectl-warren")
	build := exec.Command("go", "build", "-o", plugin, "warren.mesh/cmd/kubectl-warren")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	kubeconfig, err := l.Publish()
	if err != nil {
		t.Fatal(err)
	}
	run := func(command string) (d view.ClusterDocument, code int) {
		cmd := exec.Command(plugin, command, "--kubeconfig", kubeconfig, "-o", "json",
			"--as", "system:serviceaccount:default:viewer")
		cmd.Stderr = os.Stderr
		out, _ := cmd.Output()
		if err := json.Unmarshal(out, &d); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return d, cmd.ProcessState.ExitCode()
	}
	d, _ := run("doctor")
	// The fixture has Nodes of many kinds beside the lab's own.
	if len(d.Unread) > 0 || len(d.Nodes) == 0 || d.Kubernetes == "" || len(d.ServiceCIDRs) == 0 {
		t.Errorf("read with warren-view: %d Nodes, version %q, Service ranges %v; unread is %v",
			len(d.Nodes), d.Kubernetes, d.ServiceCIDRs, d.Unread)
	}
	results := map[string]view.Result{}
	for _, c := range d.Checks {
		results[c.ID] = c.Result
	}
	if results["W02"] != view.OK || results["W14"] != view.Unknown || len(d.Admission) != 4 {
		t.Errorf("doctor says %v, with the admission policies %v", results, d.Admission)
	}
	if _, code := run("peers"); code != view.ExitUnknown {
		t.Errorf("peers exits with %d", code)
	}
}

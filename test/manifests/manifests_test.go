// Package manifests_test asks a real API server what the manifests are worth.
package manifests_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authorization "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

// warren is the account of the daemons.
var warren = types.NamespacedName{Namespace: "kube-system", Name: "warren"}

func TestPrivilegedManifests(t *testing.T) {
	meshtest.Privileged(t)
	l := lab.Start(t, lab.Options{Nodes: 1, Family: lab.Dual, NoPolicies: true})
	f := newFixture(t, l)
	// An unknown or misspelt field is an error, a default comes back in the answer.
	answer := l.Kubectl(t, "", "apply", "--validate=strict", "--output=json", "-k", base(t))
	inForce(t, l)
	t.Run("pod", func(t *testing.T) { testPod(t, daemonSet(t, answer).Spec.Template.Spec) })
	t.Run("removal", func(t *testing.T) { testRemoval(t, l, daemonSet(t, answer)) })
	t.Run("rights", func(t *testing.T) { testRights(t, l) })
	t.Run("people", func(t *testing.T) { testPeople(t, l) })
	t.Run("policies", func(t *testing.T) { testPolicies(t, f) })
	if *hunt != "" {
		t.Run("mutants", func(t *testing.T) { testMutants(t, f) })
	}
	t.Run("daemon", func(t *testing.T) { testDaemon(t, f) })
	t.Run("overlays", func(t *testing.T) { testOverlays(t, f) })
}

// base is the directory of the kustomization.
func base(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../manifests")
	if err != nil {
		t.Fatal(err)
	}
	return dir
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

// The lab has applied the manifests: the API server's authorizer answers for the account.
func testRights(t *testing.T, l *lab.Lab) {
	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	for resource, want := range map[string]string{
		"nodes": "list watch patch", "nodes/status": "patch", "nodes/proxy": "", "secrets": "",
		"configmaps": "", "pods": "list watch", "pods/log": "", "pods/exec": "", "pods/status": "",
		"namespaces": "list watch", "events": "create",
	} {
		var got []string
		for _, verb := range verbs {
			name, sub, _ := strings.Cut(resource, "/")
			ok, err := may(t, l, warren, authorization.ResourceAttributes{Verb: verb, Resource: name, Subresource: sub,
				Version: "v1"})
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				got = append(got, verb)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v may %v %s, want %q", warren, got, resource, want)
		}
	}
}

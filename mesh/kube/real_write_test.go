package kube

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh"
	"warren.mesh/mesh/kube/nodeobject"
)

// ours are the annotations that are warren's business.
func ours(n *corev1.Node) map[string]string {
	all := maps.Clone(n.Annotations)
	maps.DeleteFunc(all, func(name, _ string) bool { return !strings.HasPrefix(name, nodeobject.Prefix) })
	return all
}

// owned are the fields of a Node that warren owns, by how it came to own them, in JSON.
func owned(n *corev1.Node) map[metav1.ManagedFieldsOperationType]string {
	all := map[metav1.ManagedFieldsOperationType]string{}
	for _, m := range n.ManagedFields {
		if m.Manager == FieldManager {
			all[m.Operation] += m.Subresource + string(m.FieldsV1.Raw)
		}
	}
	return all
}

func testPublishCreatesNothing(t *testing.T, s *apiServer) {
	const uid = "5a1d6c0e-58a5-4d3f-9d35-95d7f3c7a001"
	t.Cleanup(func() { s.remove(t, "absent") })
	if err := s.cluster(t, "absent").Publish(t.Context(), uid, said); !errors.Is(err, mesh.ErrStale) {
		t.Errorf("on a missing Node: %v", err)
	}
	if _, err := s.nodes.Get(t.Context(), "absent", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Node was created: %v", err)
	}
	before := s.create(t, "other")
	if err := s.cluster(t, "other").Publish(t.Context(), uid, said); !errors.Is(err, mesh.ErrStale) {
		t.Errorf("on another Node: %v", err)
	}
	if after := s.get(t, "other"); after.ResourceVersion != before.ResourceVersion {
		t.Errorf("another Node was written: %v", ours(after))
	}
}

func testPublish(t *testing.T, s *apiServer) {
	uid := string(s.create(t, "n").UID)
	s.annotate(t, "n", "warren.mesh/force-endpoint", "203.0.113.1:4500")
	s.annotate(t, "n", "warren.mesh/endpoint", "somebody else's")
	c := s.cluster(t, "n")
	publish := func() *corev1.Node {
		if err := c.Publish(t.Context(), uid, said); err != nil {
			t.Fatal(err)
		}
		return s.get(t, "n")
	}
	first := publish()
	want := nodeobject.Annotations(said)
	want["warren.mesh/force-endpoint"] = "203.0.113.1:4500"
	if diff := cmp.Diff(want, ours(first)); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	fields := map[metav1.ManagedFieldsOperationType]string{
		metav1.ManagedFieldsOperationApply: `{"f:metadata":{"f:annotations":{"f:warren.mesh/endpoint":{},` +
			`"f:warren.mesh/node-ips":{},"f:warren.mesh/pod-cidrs":{},"f:warren.mesh/proof":{},` +
			`"f:warren.mesh/public-key":{}}}}`,
	}
	if diff := cmp.Diff(fields, owned(first)); diff != "" {
		t.Errorf("owned fields (-want +got):\n%s", diff)
	}
	if second := publish(); second.ResourceVersion != first.ResourceVersion {
		t.Errorf("the same again changed the resourceVersion from %s to %s", first.ResourceVersion,
			second.ResourceVersion)
	}
	s.annotate(t, "n", "warren.mesh/public-key", "stolen")
	if got := ours(publish())["warren.mesh/public-key"]; got != said.PublicKey {
		t.Errorf("public key %q, want it taken back", got)
	}
}

func testUnpublish(t *testing.T, s *apiServer) {
	uid := string(s.create(t, "n").UID)
	s.annotate(t, "n", "warren.mesh/force-endpoint", "203.0.113.1:4500")
	c := s.cluster(t, "n")
	if err := c.Publish(t.Context(), uid, said); err != nil {
		t.Fatal(err)
	}
	var revisions []string
	for range 2 {
		if err := c.Unpublish(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := s.get(t, "n")
		if diff := cmp.Diff(map[string]string{"warren.mesh/force-endpoint": "203.0.113.1:4500"}, ours(n)); diff != "" {
			t.Errorf("annotations (-want +got):\n%s", diff)
		}
		if fields := owned(n); len(fields) > 0 {
			t.Errorf("fields still owned: %v", fields)
		}
		revisions = append(revisions, n.ResourceVersion)
	}
	if revisions[0] != revisions[1] {
		t.Errorf("the second removal changed the Node: revisions %v", revisions)
	}
	if err := s.cluster(t, "absent").Unpublish(t.Context()); err != nil {
		t.Errorf("on a missing Node: %v", err)
	}
}

// A server without policies is found out, and nothing is written.
func testUnguarded(t *testing.T, s *apiServer) {
	before := s.create(t, "n")
	if guarded, err := s.cluster(t, "n").PolicyInForce(t.Context(), string(before.UID)); guarded || err != nil {
		t.Errorf("got %t, %v", guarded, err)
	}
	for _, uid := range []string{"", "another"} {
		if guarded, err := s.cluster(t, "n").PolicyInForce(t.Context(), uid); err == nil {
			t.Errorf("UID %q: %t", uid, guarded)
		}
	}
	if after := s.get(t, "n"); after.ResourceVersion != before.ResourceVersion {
		t.Errorf("the Node has changed: %v", after)
	}
}

func testCondition(t *testing.T, s *apiServer) {
	before := s.create(t, "n")
	c := s.cluster(t, "n")
	set := func(seen *corev1.Node) error {
		if err := c.own.Update(seen); err != nil {
			t.Fatal(err)
		}
		return c.SetNetworkAvailable(t.Context())
	}
	if err := set(before); err != nil {
		t.Fatal(err)
	}
	after := s.get(t, "n")
	conditions := map[corev1.NodeConditionType]corev1.ConditionStatus{}
	for _, c := range after.Status.Conditions {
		conditions[c.Type] = c.Status
	}
	want := map[corev1.NodeConditionType]corev1.ConditionStatus{"Ready": "True", "DiskPressure": "False",
		"NetworkUnavailable": "False"}
	if diff := cmp.Diff(want, conditions); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before.Status.Addresses, after.Status.Addresses); diff != "" {
		t.Errorf("addresses (-before +after):\n%s", diff)
	}
	if err := set(after); err != nil {
		t.Fatal(err)
	}
	if again := s.get(t, "n"); again.ResourceVersion != after.ResourceVersion {
		t.Error("it was written again though it was set")
	}
	s.remove(t, "n")
	if err := set(before); !errors.Is(err, mesh.ErrStale) {
		t.Errorf("on a Node that is gone: %v", err)
	}
	s.create(t, "n")
	if err := set(before); !errors.Is(err, mesh.ErrStale) {
		t.Errorf("on another Node: %v", err)
	}
}

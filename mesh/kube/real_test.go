package kube

import (
	"context"
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh"
)

// TestPrivilegedRealAPIServer holds against a real API server what the fake one only pretends.
func TestPrivilegedRealAPIServer(t *testing.T) {
	s := startAPIServer(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *apiServer)
	}{
		{"publishing creates nothing", testPublishCreatesNothing},
		{"publishing", testPublish},
		{"unpublishing", testUnpublish},
		{"condition", testCondition},
		{"no policies", testUnguarded},
		{"following", testFollowing},
		{"another node under the same name", testReplacedNode},
		{"outage", testOutage},
		{"policies", testPolicies},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

var said = mesh.Announcement{PublicKey: "k", Proof: "s", Endpoint: "e", PodCIDRs: "p", NodeIPs: "i"}

// create makes a Node with the conditions that a kubelet reports, and removes it after the test.
func (s *apiServer) create(t *testing.T, name string) *corev1.Node {
	t.Helper()
	_, err := s.nodes.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}},
		metav1.CreateOptions{FieldManager: "kubelet"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.remove(t, name) })
	return s.heartbeat(t, name)
}

func (s *apiServer) remove(t *testing.T, name string) {
	t.Helper()
	err := s.nodes.Delete(context.Background(), name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Errorf("delete node %s: %v", name, err)
	}
}

// heartbeat is what a kubelet writes every few minutes.
func (s *apiServer) heartbeat(t *testing.T, name string) *corev1.Node {
	t.Helper()
	body, err := json.Marshal(map[string]any{"status": map[string]any{
		"addresses": []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.10"}},
		"conditions": []corev1.NodeCondition{
			{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now()},
			{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, LastHeartbeatTime: metav1.Now()},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s.patch(t, name, body, "status")
}

// annotate is an administrator at work.
func (s *apiServer) annotate(t *testing.T, name, key, value string) *corev1.Node {
	t.Helper()
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{key: value}}})
	if err != nil {
		t.Fatal(err)
	}
	return s.patch(t, name, body)
}

func (s *apiServer) patch(t *testing.T, name string, body []byte, subresources ...string) *corev1.Node {
	t.Helper()
	n, err := s.nodes.Patch(t.Context(), name, types.StrategicMergePatchType, body,
		metav1.PatchOptions{FieldManager: "others"}, subresources...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (s *apiServer) get(t *testing.T, name string) *corev1.Node {
	t.Helper()
	n, err := s.nodes.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (s *apiServer) cluster(t *testing.T, name string) *Cluster {
	t.Helper()
	c, err := New(Config{REST: s.config(), NodeName: name})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

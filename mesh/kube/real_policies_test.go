package kube

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"warren.mesh/mesh/policy"
)

// sink is what the mirror has told, without what an API server has of its own.
type sink struct {
	mu  sync.Mutex
	all map[string]string
}

func (s *sink) set(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[key] = value; value == "" {
		delete(s.all, key)
	}
}

func (s *sink) SetPod(p policy.Pod)           { s.set("pod "+p.Name, p.Node+" "+p.UID) }
func (s *sink) DeletePod(_, name string)      { s.set("pod "+name, "") }
func (s *sink) SetNamespace(policy.Namespace) {}
func (s *sink) DeleteNamespace(string)        {}
func (s *sink) SetPolicy(p policy.Policy)     { s.set("policy "+p.Name, p.Namespace) }
func (s *sink) DeletePolicy(_, name string)   { s.set("policy "+name, "") }

func (s *sink) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(s.all)), ", ")
}

// admin is an administrator's client, and namespace default with the account that pods need.
func (s *apiServer) admin(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	client, err := kubernetes.NewForConfig(s.config())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "pods may be created", func() bool {
		_, err := client.CoreV1().ServiceAccounts("default").Create(t.Context(),
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
		return err == nil || strings.Contains(err.Error(), "already exists")
	})
	return client
}

func createPod(t *testing.T, client *kubernetes.Clientset, name, node string, hostNetwork bool) {
	t.Helper()
	pods := client.CoreV1().Pods("default")
	p, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{NodeName: node, HostNetwork: hostNetwork,
			Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.Status.Phase, p.Status.PodIPs = corev1.PodRunning, []corev1.PodIP{{IP: "10.0.0.9"}}
	p.Status.PodIP = "10.0.0.9"
	if _, err := pods.UpdateStatus(t.Context(), p, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// testPolicies follows pods and policies on a real API server, through the end of a Job, an outage, and a list that
// comes while the own Node is missing, which takes nothing away.
func testPolicies(t *testing.T, s *apiServer) {
	client := s.admin(t)
	s.create(t, "n")
	policies := client.NetworkingV1().NetworkPolicies("default")
	for _, name := range []string{"a", "b", "c"} {
		_, err := policies.Create(t.Context(),
			&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	createPod(t, client, "own", "n", false)
	createPod(t, client, "peer", "other", false)
	createPod(t, client, "job", "other", false)
	createPod(t, client, "hosts", "other", true)

	c, _ := s.follow(t, "n", nil)
	told := &sink{all: map[string]string{}}
	m := c.Policies(told, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	eventually(t, "synced", func() bool { return m.Synced() && m.Waiting() == "" })
	if diff := cmp.Diff("pod job, pod own, pod peer, policy a, policy b, policy c", told.told()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	job, err := client.CoreV1().Pods("default").Get(t.Context(), "job", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	job.Status.Phase = corev1.PodSucceeded
	if _, err := client.CoreV1().Pods("default").UpdateStatus(t.Context(), job, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the Job's pod is gone", func() bool {
		return told.told() == "pod own, pod peer, policy a, policy b, policy c"
	})

	s.api.kill()
	eventually(t, "the outage is known, and told by the Cluster", func() bool {
		return m.Waiting() == elsewhere && strings.Contains(c.Waiting(), "connection refused")
	})
	if got := told.told(); got != "pod own, pod peer, policy a, policy b, policy c" {
		t.Errorf("not frozen: %s", got)
	}
	s.start(t)
	if err := policies.Delete(t.Context(), "b", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what happened meanwhile is known", func() bool {
		return m.Waiting() == "" && told.told() == "pod own, pod peer, policy a, policy c"
	})

	// Another mirror that begins while the own Node is missing takes no list.
	s.remove(t, "n")
	late := &sink{all: map[string]string{}}
	other := c.Policies(late, nil)
	go func() { _ = other.Run(ctx) }()
	eventually(t, "the lists are refused", func() bool {
		return strings.Contains(other.Waiting(), "a store without Node n")
	})
	if other.Synced() || late.told() != "" {
		t.Errorf("synced %t: %s", other.Synced(), late.told())
	}
	s.create(t, "n")
	eventually(t, "the lists are taken", func() bool {
		return other.Synced() && late.told() == "pod own, pod peer, policy a, policy c"
	})
}

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"warren.mesh/mesh/explain"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// shop is a cluster of three nodes with the pods shop/web-0 and shop/web-1 on node-0 and shop/db-0 on node-1, and the
// Service shop/db. Daemons answer that everything is well, but for those in dropping, which drop at the first step.
type shop struct {
	*fakeAPI
	kubeconfig string
	dropping   map[string]bool

	mu    sync.Mutex
	asked []string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{fakeAPI: newFakeAPI(t, 3), dropping: map[string]bool{}}
	s.objects = map[string]runtime.Object{
		"pods/shop/web-0": runningPod("node-0", "10.128.0.7"),
		"pods/shop/web-1": runningPod("node-0", "10.128.0.8"),
		"pods/shop/db-0":  runningPod("node-1", "10.128.1.9"),
		"pods/shop/later": &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending}},
		"services/shop/db": &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{
			{Name: "sql", Port: 5432, Protocol: corev1.ProtocolTCP},
			{Name: "ask", Port: 53, Protocol: corev1.ProtocolUDP},
		}}},
	}
	s.slices = []discoveryv1.EndpointSlice{{
		Ports: []discoveryv1.EndpointPort{
			port("sql", 15432, corev1.ProtocolTCP), port("ask", 5353, corev1.ProtocolUDP),
		},
		Endpoints: []discoveryv1.Endpoint{
			endpoint("db-1", "node-2", "10.128.2.9", true), endpoint("db-0", "node-1", "10.128.1.9", true),
			endpoint("db-2", "node-2", "10.128.2.10", false),
		},
	}}
	s.answer = s.explain
	s.kubeconfig = s.start(t)
	return s
}

func runningPod(node, ip string) *corev1.Pod {
	return &corev1.Pod{
		Spec: corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{PodIPs: []corev1.PodIP{{IP: ip}}},
	}
}

func port(name string, number int32, protocol corev1.Protocol) discoveryv1.EndpointPort {
	return discoveryv1.EndpointPort{Name: &name, Port: &number, Protocol: &protocol}
}

func endpoint(pod, node, ip string, ready bool) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{
		Addresses: []string{ip}, NodeName: &node, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: pod},
	}
}

func (s *shop) explain(pod string, command []string) []byte {
	node := strings.TrimPrefix(pod, "warren-")
	s.mu.Lock()
	s.asked = append(s.asked, node+": "+strings.Join(command, " "))
	s.mu.Unlock()
	result := view.OK
	if s.dropping[node] {
		result = view.Fail
	}
	text, _ := json.Marshal(explain.Explanation{
		APIVersion: status.APIVersion, Kind: explain.Kind, Node: node,
		Steps: []view.Check{{Name: explain.StepPolicy, Result: result}, {Name: explain.StepRoute, Result: view.OK}},
	})
	return text
}

func (s *shop) run(t *testing.T, args ...string) (d explain.Ways, code int, err error) {
	t.Helper()
	s.asked = nil
	args = append([]string{"explain", "--kubeconfig", s.kubeconfig, "-o", "json"}, args...)
	out, code, err := execute(t, "", args...)
	if err == nil {
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return d, code, err
}

func (s *shop) wantAsked(t *testing.T, want ...string) {
	t.Helper()
	asked := strings.Join(s.asked, "\n")
	for _, question := range want {
		node, rest, _ := strings.Cut(question, ": ")
		if whole := node + ": warren explain " + rest + " -o json"; strings.Count(asked, whole) != 1 {
			t.Errorf("not asked once: %q in\n%s", whole, asked)
		}
	}
	if len(s.asked) != len(want) {
		t.Errorf("asked %d times, want %d:\n%s", len(s.asked), len(want), strings.Join(s.asked, "\n"))
	}
}

// Each kind of end is found, and the nodes of both ends are asked about their addresses.
func TestExplain(t *testing.T) {
	s := newShop(t)
	for _, tt := range []struct {
		args, to []string
		asked    []string
	}{
		{[]string{"shop/web-0", "shop/db-0", "5432"}, []string{"shop/db-0 10.128.1.9 on node-1"},
			[]string{"node-0: 10.128.0.7 10.128.1.9 5432/tcp", "node-1: 10.128.0.7 10.128.1.9 5432/tcp"}},
		{[]string{"shop/web-0", "shop/web-1"}, []string{"shop/web-1 10.128.0.8 on node-0"},
			[]string{"node-0: 10.128.0.7 10.128.0.8"}},
		{[]string{"shop/web-0", "node-2"}, []string{"192.168.0.3 on node-2"},
			[]string{"node-0: 10.128.0.7 192.168.0.3", "node-2: 10.128.0.7 192.168.0.3"}},
		{[]string{"shop/web-0", "198.51.100.7", "53/udp"}, []string{"198.51.100.7"},
			[]string{"node-0: 10.128.0.7 198.51.100.7 53/udp"}},
		{[]string{"10.128.0.7", "10.128.1.9"}, []string{"10.128.1.9 on node-1"},
			[]string{"node-0: 10.128.0.7 10.128.1.9", "node-1: 10.128.0.7 10.128.1.9"}},
		{[]string{"shop/web-0", "shop/db"},
			[]string{"shop/db-0 10.128.1.9 on node-1", "shop/db-1 10.128.2.9 on node-2"},
			[]string{"node-0: 10.128.0.7 10.128.1.9 15432/tcp", "node-1: 10.128.0.7 10.128.1.9 15432/tcp",
				"node-0: 10.128.0.7 10.128.2.9 15432/tcp", "node-2: 10.128.0.7 10.128.2.9 15432/tcp"}},
		{[]string{"shop/web-0", "service/shop/db", "53/udp"},
			[]string{"shop/db-0 10.128.1.9 on node-1", "shop/db-1 10.128.2.9 on node-2"},
			[]string{"node-0: 10.128.0.7 10.128.1.9 5353/udp", "node-1: 10.128.0.7 10.128.1.9 5353/udp",
				"node-0: 10.128.0.7 10.128.2.9 5353/udp", "node-2: 10.128.0.7 10.128.2.9 5353/udp"}},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			d, code, err := s.run(t, tt.args...)
			if err != nil || code != view.ExitWell || d.APIVersion != status.APIVersion || d.Kind != explain.WaysKind {
				t.Fatalf("exit status %d, %v, %s %s", code, err, d.APIVersion, d.Kind)
			}
			var to []string
			for _, w := range d.Ways {
				to = append(to, w.To)
				if w.Verdict != "would pass" {
					t.Errorf("%s: %s", w.To, w.Verdict)
				}
			}
			if fmt.Sprintf("%q", to) != fmt.Sprintf("%q", tt.to) {
				t.Errorf("to %q, want %q", to, tt.to)
			}
			s.wantAsked(t, tt.asked...)
		})
	}
}

func TestExplainVerdicts(t *testing.T) {
	s := newShop(t)
	verdict := func(want string, wantCode int) {
		t.Helper()
		d, code, err := s.run(t, "shop/web-0", "shop/db-0")
		if err != nil || code != wantCode || d.Ways[0].Verdict != want {
			t.Errorf("exit status %d, %v, %q, want %q", code, err, d.Ways[0].Verdict, want)
		}
	}
	s.dropping["node-1"] = true
	verdict("would be dropped at 3, on node-1", view.ExitFinding)
	s.forbidden["pods/exec"] = true
	verdict("unknown from 1, on node-0", view.ExitUnknown)
	delete(s.forbidden, "pods/exec")
	s.pods = s.pods[1:]
	verdict("would be dropped at 2 at the latest, unknown from 1, on node-1", view.ExitFinding)
}

// What is not there, or may not be read, is an error that says so.
func TestExplainRefuses(t *testing.T) {
	s := newShop(t)
	for _, tt := range []struct {
		args      []string
		code      int
		forbidden string
		want      string
	}{
		{[]string{"shop/web-0"}, view.ExitUsage, "", "accepts between 2 and 3"},
		{[]string{"shop/web-0", "shop/db-0", "http"}, view.ExitUsage, "", `port "http"`},
		{[]string{"shop/web-0", "shop/none"}, view.ExitUsage, "", "services shop/none: there is none"},
		{[]string{"shop/web-0", "node-9"}, view.ExitUsage, "", "node node-9: there is none"},
		{[]string{"198.51.100.7", "shop/db-0"}, view.ExitUsage, "", "is on no node"},
		{[]string{"shop/db", "shop/web-0"}, view.ExitUsage, "", "is on no node"},
		{[]string{"shop/web-0", "shop/db", "80"}, view.ExitUsage, "", "has no port 80/tcp"},
		{[]string{"shop/later", "shop/db-0"}, view.ExitUnknown, "", "no address yet: Pending"},
		{[]string{"shop/web-0", "shop/db-0"}, view.ExitUnknown, "pods", "no right to read it"},
		{[]string{"shop/web-0", "shop/db"}, view.ExitUnknown, "endpointslices", "no right to read it"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			s.forbidden = map[string]bool{tt.forbidden: true}
			_, code, err := s.run(t, tt.args...)
			if err == nil || code != tt.code || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("exit status %d, %v", code, err)
			}
			if len(s.asked) > 0 {
				t.Errorf("asked %q", s.asked)
			}
		})
	}
}

// A Service with many endpoints asks many nodes, which the caller has to want.
func TestExplainManyEndpoints(t *testing.T) {
	s := newShop(t)
	for i := range mostAsked {
		s.slices[0].Endpoints = append(s.slices[0].Endpoints,
			endpoint("more", "node-2", fmt.Sprintf("10.128.2.%d", 100+i), true))
	}
	if _, code, err := s.run(t, "shop/web-0", "shop/db"); err == nil || code != view.ExitUsage || len(s.asked) > 0 {
		t.Errorf("exit status %d, %v, asked %d times", code, err, len(s.asked))
	}
	if d, code, err := s.run(t, "shop/web-0", "shop/db", "--all"); err != nil || code != view.ExitWell ||
		len(d.Ways) != mostAsked+2 {
		t.Errorf("exit status %d, %v, %d ways", code, err, len(d.Ways))
	}
}

// Whatever the exit status, what is written for programs parses, and says why there is nothing.
func TestExplainDocumentsParse(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*shop)
		want   string
	}{
		"no ready endpoint":     {func(s *shop) { s.slices = nil }, "Service shop/db has no ready endpoint"},
		"no right to read pods": {func(s *shop) { s.forbidden["pods"] = true }, "read pods shop/web-0: no right"},
		"no API server":         {func(s *shop) { s.kubeconfig = unserved(t) }, "connection refused"},
	} {
		s := newShop(t)
		tt.change(s)
		out, code, err := execute(t, "", "explain", "--kubeconfig", s.kubeconfig, "-o", "json", "shop/web-0", "shop/db")
		var d explain.Ways
		if jsonErr := json.Unmarshal([]byte(out), &d); code != view.ExitUnknown || err == nil || jsonErr != nil {
			t.Errorf("%s: exit status %d, %v, %v:\n%s", name, code, err, jsonErr, out)
			continue
		}
		if d.Kind != explain.WaysKind || view.Exit(d.Steps(), false) != view.ExitUnknown ||
			d.Ways[0].Verdict != "unknown from 1" || !strings.Contains(out, tt.want) {
			t.Errorf("%s: want %q in\n%s", name, tt.want, out)
		}
		if out, _, _ := execute(t, "", "explain", "--kubeconfig", s.kubeconfig, "shop/web-0", "shop/db"); out != "" {
			t.Errorf("%s: for people:\n%s", name, out)
		}
	}
}

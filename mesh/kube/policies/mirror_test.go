package policies

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"warren.mesh/mesh/policy"
)

// sink is what has been told.
type sink map[string]string

func (s sink) SetPod(p policy.Pod)              { s["pod "+p.Namespace+"/"+p.Name] = p.Node + " " + p.UID }
func (s sink) DeletePod(namespace, name string) { s.drop("pod " + namespace + "/" + name) }
func (s sink) SetNamespace(n policy.Namespace) {
	tier, _ := n.Labels.Get("tier")
	s["namespace "+n.Name] = tier
}
func (s sink) DeleteNamespace(name string) { s.drop("namespace " + name) }
func (s sink) SetPolicy(p policy.Policy) {
	s["policy "+p.Namespace+"/"+p.Name] = fmt.Sprint(len(p.Ingress))
}
func (s sink) DeletePolicy(namespace, name string) { s.drop("policy " + namespace + "/" + name) }

func (s sink) drop(key string) {
	if _, ok := s[key]; !ok {
		panic("deleted what was never set: " + key)
	}
	delete(s, key)
}

// onNode is Pod x/NAME of a node.
func onNode(name, node, uid string, edits ...func(*corev1.Pod)) *Pod {
	return podOf(edited(func(p *corev1.Pod) {
		p.Name, p.Spec.NodeName, p.UID = name, node, types.UID(uid)
		for _, edit := range edits {
			edit(p)
		}
	}))
}

func hosts(p *corev1.Pod)       { p.Spec.HostNetwork = true }
func ended(p *corev1.Pod)       { p.Status.Phase = corev1.PodSucceeded }
func terminating(p *corev1.Pod) { p.DeletionTimestamp = &p.CreationTimestamp }
func addressless(p *corev1.Pod) { p.Status.PodIP, p.Status.PodIPs = "", nil }
func heartbeat(p *corev1.Pod)   { p.ResourceVersion, p.Generation = "99", 99 }

func policyNamed(name string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "x", Name: name}}
}

func namespace(name, tier string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"tier": tier}},
	}
}

// TestMirrorPods tells what becomes of pods that two watches know, step by step, and how often it pokes.
func TestMirrorPods(t *testing.T) {
	var pokes int
	told := sink{}
	m := New("here", told, func() { pokes++ })
	own, peers := m.OwnPods, m.Peers
	for _, step := range []struct {
		name  string
		do    func(any) error
		pod   *Pod
		pokes int
		want  sink
	}{
		{"an own pod without an address", own.Add, onNode("a", "here", "1", addressless), 1, sink{"pod x/a": "here 1"}},
		{"… that the other watch tells too", peers.Add, onNode("a", "here", "1"), 0, sink{"pod x/a": "here 1"}},
		{"its address", own.Update, onNode("a", "here", "1"), 1, sink{"pod x/a": "here 1"}},
		{"a heartbeat", own.Update, onNode("a", "here", "1", heartbeat), 0, sink{"pod x/a": "here 1"}},
		{"it terminates, and is still served", own.Update, onNode("a", "here", "1", terminating), 0,
			sink{"pod x/a": "here 1"}},
		{"its successor of the same name here", own.Update, onNode("a", "here", "2"), 1, sink{"pod x/a": "here 2"}},
		{"its successor elsewhere, before it is gone here", peers.Add, onNode("a", "there", "3"), 1,
			sink{"pod x/a": "here 2"}},
		{"it is gone here", own.Delete, onNode("a", "here", "2"), 1, sink{"pod x/a": "there 3"}},
		{"it is back here, before it is gone there", own.Add, onNode("a", "here", "4"), 1, sink{"pod x/a": "here 4"}},
		{"it is gone there", peers.Delete, onNode("a", "there", "3"), 1, sink{"pod x/a": "here 4"}},
		{"it has completed", own.Update, onNode("a", "here", "4", ended), 1, sink{}},
		{"a peer without a node", peers.Add, onNode("b", "", "5", addressless), 0, sink{}},
		{"a peer without an address", peers.Update, onNode("b", "there", "5", addressless), 0, sink{}},
		{"a peer", peers.Update, onNode("b", "there", "5"), 1, sink{"pod x/b": "there 5"}},
		{"its successor in the host's network", peers.Update, onNode("b", "there", "6", hosts), 1, sink{}},
		{"… and one that is not", peers.Update, onNode("b", "there", "7"), 1, sink{"pod x/b": "there 7"}},
		{"a deletion", peers.Delete, onNode("b", "there", "7"), 1, sink{}},
		{"a deletion of what is not there", peers.Delete, onNode("b", "there", "7"), 0, sink{}},
	} {
		pokes = 0
		if err := step.do(step.pod); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, told); diff != "" || pokes != step.pokes {
			t.Errorf("%s: %d pokes, want %d; (-want +got):\n%s", step.name, pokes, step.pokes, diff)
		}
	}
}

func replace(t *testing.T, s Store, objects ...any) {
	t.Helper()
	if err := s.Replace(objects, "1"); err != nil {
		t.Fatal(err)
	}
}

func keys(s sink) []string { return slices.Sorted(maps.Keys(s)) }

// TestMirrorSyncs: a Mirror has synced when all four lists are in, and a list removes what it lacks.
func TestMirrorSyncs(t *testing.T) {
	told := sink{}
	m := New("here", told, func() {})
	for _, s := range []Store{m.Policies, m.Namespaces, m.OwnPods} {
		replace(t, s)
	}
	if m.Synced() {
		t.Error("synced without the list of peers")
	}
	replace(t, m.Peers, onNode("a", "there", "1"), onNode("b", "there", "2"), onNode("c", "there", "3"))
	if !m.Synced() || m.Obstacle() != "" {
		t.Errorf("synced %t, %q", m.Synced(), m.Obstacle())
	}
	replace(t, m.Peers, onNode("a", "there", "1"), onNode("d", "there", "4"), onNode("c", "there", "3"))
	if diff := cmp.Diff([]string{"pod x/a", "pod x/c", "pod x/d"}, keys(told)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMirrorRefuses: a list that is not accepted changes nothing, nor what is watched after it, until a list is.
func TestMirrorRefuses(t *testing.T) {
	told := sink{}
	m := New("here", told, func() {})
	replace(t, m.Policies, policyNamed("a"), policyNamed("b"))
	refused := 0
	m.Policies.Begin(func() error { return errors.New("a store without Node here") }, func() { refused++ })
	replace(t, m.Policies)
	if err := m.Policies.Delete(policyNamed("a")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"policy x/a", "policy x/b"}, keys(told)); diff != "" || refused != 1 {
		t.Errorf("refused %d times; (-want +got):\n%s", refused, diff)
	}
	if m.Obstacle() != "a store without Node here" {
		t.Errorf("%q", m.Obstacle())
	}
	m.Policies.Begin(func() error { return nil }, func() { t.Error("refused") })
	replace(t, m.Policies, policyNamed("a"))
	if diff := cmp.Diff([]string{"policy x/a"}, keys(told)); diff != "" || m.Obstacle() != "" {
		t.Errorf("%q; (-want +got):\n%s", m.Obstacle(), diff)
	}
}

// TestMirrorBrakes: what a list lacks is kept for a while if that is more than half; what it has counts at once.
func TestMirrorBrakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := sink{}
		m := New("here", told, func() {})
		replace(t, m.Namespaces, namespace("a", ""), namespace("b", ""), namespace("c", ""))
		again := 0
		m.Namespaces.Begin(func() error { return nil }, func() { again++ })
		replace(t, m.Namespaces, namespace("c", "new"), namespace("d", ""))
		want := sink{"namespace a": "", "namespace b": "", "namespace c": "new", "namespace d": ""}
		if diff := cmp.Diff(want, told); diff != "" || m.Obstacle() == "" {
			t.Errorf("%q; (-want +got):\n%s", m.Obstacle(), diff)
		}
		time.Sleep(brakeDelay)
		synctest.Wait()
		if again != 1 {
			t.Fatalf("listed again %d times", again)
		}
		replace(t, m.Namespaces, namespace("c", "new"), namespace("d", ""))
		if diff := cmp.Diff(sink{"namespace c": "new", "namespace d": ""}, told); diff != "" || m.Obstacle() != "" {
			t.Errorf("%q; (-want +got):\n%s", m.Obstacle(), diff)
		}
		// One by one they are deleted at once.
		for _, name := range []string{"c", "d"} {
			if err := m.Namespaces.Delete(namespace(name, "")); err != nil {
				t.Error(err)
			}
		}
		if len(told) != 0 {
			t.Errorf("%v", told)
		}
	})
}

// TestMirrorHolds goes through histories of lists, each with the minute when it is read and what is there afterwards.
// One that is away has the API server away from that minute on, and one that is refused is of another store.
func TestMirrorHolds(t *testing.T) {
	type list struct {
		minute float64
		names  string
		want   string
	}
	const away, refused = "away", "refused"
	for name, lists := range map[string][]list{
		"what returns is forgotten": {
			{0, "abcd", "abcd"}, {1, "a", "abcd"}, {3, "abcd", "abcd"}, {9, "a", "abcd"}, {13, "a", "abcd"},
			{14, "a", "a"},
		},
		"a second loss has its own time": {
			{0, "abcdefghi", "abcdefghi"}, {1, "abcd", "abcdefghi"}, {6, "abcd", "abcd"}, {60, "a", "abcd"},
			{64, "a", "abcd"}, {65, "a", "a"},
		},
		"… which is none less for the first": {
			{0, "abcd", "abcd"}, {1, "ab", "ab"}, {2, "", "ab"}, {6, "", "ab"}, {7, "", ""},
		},
		"a later loss has its own time, and the earlier one keeps its own": {
			{0, "abcdef", "abcdef"}, {1, "ab", "abcdef"}, {4, "a", "abcdef"}, {6, "a", "ab"}, {9, "a", "a"},
		},
		"a part of a loss that returns leaves the rest its time": {
			{0, "abcd", "abcd"}, {1, "a", "abcd"}, {2, "abc", "abcd"}, {5, "abc", "abcd"}, {6, "abc", "abc"},
		},
		"time without an API server does not count": {
			{0, "abcd", "abcd"}, {1, "a", "abcd"}, {3, away, "abcd"}, {60, "a", "abcd"}, {62, "a", "abcd"},
			{63, "a", "a"},
		},
		"time with another store does not count": {
			{0, "abcd", "abcd"}, {1, "a", "abcd"}, {3, refused, "abcd"}, {60, "a", "abcd"}, {62, "a", "abcd"},
			{63, "a", "a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told, start := sink{}, time.Now()
				m := New("here", told, func() {})
				for _, l := range lists {
					time.Sleep(time.Until(start.Add(time.Duration(l.minute * float64(time.Minute)))))
					synctest.Wait()
					var accept error
					if l.names == refused {
						accept = errors.New("a store without Node here")
					}
					m.Namespaces.Begin(func() error { return accept }, func() {})
					if l.names == away {
						m.Namespaces.Report("connection refused")
						continue
					}
					var objects []any
					if accept == nil {
						for _, name := range l.names {
							objects = append(objects, namespace(string(name), ""))
						}
					}
					replace(t, m.Namespaces, objects...)
					m.Namespaces.Report("") // the watch follows the list
					got := strings.ReplaceAll(strings.Join(keys(told), ""), "namespace ", "")
					if got != l.want || (m.Obstacle() != "") != (accept != nil || got != l.names) {
						t.Errorf("minute %v: %s after a list of %s, want %s; %q", l.minute, got, l.names, l.want,
							m.Obstacle())
					}
				}
			})
		})
	}
}

// TestMirrorDoubtEnds: what a watch brings back ends the doubt of its list, at once and without a list, and so does
// what it takes away.
func TestMirrorDoubtEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pokes, again := 0, 0
		m := New("here", sink{}, func() { pokes++ })
		m.Namespaces.Begin(func() error { return nil }, func() { again++ })
		replace(t, m.Namespaces, namespace("a", ""), namespace("b", ""), namespace("c", ""), namespace("d", ""))
		replace(t, m.Namespaces, namespace("a", ""))
		for _, step := range []struct {
			do   func(any) error
			name string
			want string
		}{
			{m.Namespaces.Update, "a", "3 of 4 namespaces"}, {m.Namespaces.Add, "b", "2 of 4 namespaces"},
			{m.Namespaces.Add, "new", "2 of 4 namespaces"}, {m.Namespaces.Delete, "c", "1 of 4 namespaces"},
			{m.Namespaces.Add, "d", ""}, {m.Namespaces.Delete, "a", ""},
		} {
			before := m.Obstacle()
			pokes = 0
			if err := step.do(namespace(step.name, "")); err != nil {
				t.Fatal(err)
			}
			got := m.Obstacle()
			if !strings.HasPrefix(got, step.want) || (got == "") != (step.want == "") || got != before && pokes != 1 {
				t.Errorf("%s: %q, want %q; %d pokes", step.name, got, step.want, pokes)
			}
		}
		time.Sleep(2 * brakeDelay)
		synctest.Wait()
		if again != 0 {
			t.Error("listed again, for nothing")
		}
		const refusal = "a store without Node here"
		m.Namespaces.Begin(func() error { return errors.New(refusal) }, func() {})
		replace(t, m.Namespaces)
		if err := m.Namespaces.Add(namespace("e", "")); err != nil || m.Obstacle() != refusal {
			t.Errorf("%v; after a list that was refused: %q", err, m.Obstacle())
		}
	})
}

// TestMirrorProblems: what a policy cannot express is told until it is mended or gone.
func TestMirrorProblems(t *testing.T) {
	m := New("here", sink{}, func() {})
	odd := policyNamed("odd")
	odd.Spec.PolicyTypes = []networkingv1.PolicyType{"Sideways"}
	for _, step := range []struct {
		do   func(any) error
		with *networkingv1.NetworkPolicy
		want int
	}{{m.Policies.Add, odd, 1}, {m.Policies.Update, policyNamed("odd"), 0}, {m.Policies.Update, odd, 1},
		{m.Policies.Delete, odd, 0}} {
		if err := step.do(step.with); err != nil || len(m.Problems()) != step.want {
			t.Errorf("%v, %v, want %d", err, m.Problems(), step.want)
		}
	}
}

// TestMirrorTransforms: during the first list a reflector keeps what Transformer returns, which the stores take.
func TestMirrorTransforms(t *testing.T) {
	told := sink{}
	m := New("here", told, func() {})
	for s, object := range map[Store]any{
		m.Policies: policyNamed("a"), m.Namespaces: namespace("n", ""), m.OwnPods: onNode("p", "here", "1"),
	} {
		kept, err := s.Transformer()(object)
		if err != nil {
			t.Fatal(err)
		}
		replace(t, s, kept)
		if err := s.Add(&metav1.Status{}); err == nil {
			t.Error("took a Status")
		}
		if _, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"namespace n", "pod x/p", "policy x/a"}, keys(told)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

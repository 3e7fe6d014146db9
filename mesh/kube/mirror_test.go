package kube

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh"
	"warren.mesh/mesh/kube/nodeobject"
)

// object is a Node's metadata as the API server sends it.
func object(name, uid, revision string, annotations ...string) *metav1.PartialObjectMetadata {
	o := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: name, UID: types.UID(uid), ResourceVersion: revision,
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet",
			FieldsV1: &metav1.FieldsV1{Raw: []byte(revision)}}},
	}}
	for i := 0; i < len(annotations); i += 2 {
		metav1.SetMetaDataAnnotation(&o.ObjectMeta, annotations[i], annotations[i+1])
	}
	return o
}

func list(objects ...*metav1.PartialObjectMetadata) []any {
	var all []any
	for _, o := range objects {
		all = append(all, o)
	}
	return all
}

// TestMirrorPokes tells what pokes and what must not: each step is done to what the steps before it left.
func TestMirrorPokes(t *testing.T) {
	var pokes int
	m := newMirror(nodeobject.Summarize, nodeobject.Parse, func() { pokes++ })
	const key = "warren.mesh/public-key"
	add := func(o any) func() error { return func() error { return m.Add(o) } }
	update := func(o any) func() error { return func() error { return m.Update(o) } }
	replace := func(objects ...any) func() error {
		return func() error { return m.Replace(objects, "a revision") }
	}
	for _, step := range []struct {
		name  string
		do    func() error
		pokes int
		want  map[string]string
	}{
		{"the first list, though empty", replace(), 1, map[string]string{}},
		{"an empty list again", replace(), 0, map[string]string{}},
		{"a Node is created", add(object("a", "1", "3")), 1, map[string]string{"a": "1"}},
		{"the same again, as after a resumed watch", add(object("a", "1", "3")), 0, map[string]string{"a": "1"}},
		{"a heartbeat", update(object("a", "1", "4")), 0, map[string]string{"a": "1"}},
		{"somebody else's annotation", update(object("a", "1", "5", "x/y", "z")), 0, map[string]string{"a": "1"}},
		{"an annotation of ours", update(object("a", "1", "6", key, "k")), 1, map[string]string{"a": "1"}},
		{"an administrator's", update(object("a", "1", "7", key, "k", "warren.mesh/persistent-keepalive", "25")), 1,
			map[string]string{"a": "1"}},
		{"one is removed", update(object("a", "1", "8", key, "k")), 1, map[string]string{"a": "1"}},
		{"another Node under the same name", update(object("a", "2", "9", key, "k")), 1, map[string]string{"a": "2"}},
		{"a list without news", replace(object("a", "2", "10", key, "k")), 0, map[string]string{"a": "2"}},
		{"a list with another one", replace(object("a", "2", "10"), object("b", "3", "10")), 1,
			map[string]string{"a": "2", "b": "3"}},
		{"a list that swaps one for another", replace(object("a", "2", "10"), object("c", "4", "10")), 1,
			map[string]string{"a": "2", "c": "4"}},
		{"a list of which one is gone", replace(object("a", "2", "10")), 1, map[string]string{"a": "2"}},
		{"a deletion", func() error { return m.Delete(object("a", "2", "13")) }, 1, map[string]string{}},
		{"a deletion of what is not there", func() error { return m.Delete(object("a", "2", "13")) }, 0,
			map[string]string{}},
		{"a resync", m.Resync, 0, map[string]string{}},
		{"trouble", func() error { m.Report("unreachable"); return nil }, 1, map[string]string{}},
		{"the same trouble", func() error { m.Report("unreachable"); return nil }, 0, map[string]string{}},
		{"an end of it", func() error { m.Report(""); return nil }, 1, map[string]string{}},
	} {
		pokes = 0
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if pokes != step.pokes {
			t.Errorf("%s: %d pokes, want %d", step.name, pokes, step.pokes)
		}
		if diff := cmp.Diff(step.want, uids(m)); diff != "" {
			t.Errorf("%s: UIDs (-want +got):\n%s", step.name, diff)
		}
	}
}

func uids(m *mirror[nodeobject.Summary, mesh.Node]) map[string]string {
	got := map[string]string{}
	for _, n := range m.values() {
		got[n.Name] = n.UID
	}
	return got
}

// TestMirrorParsesOncePerDifference counts parses: heartbeats and lists after an outage must not parse everything
// again.
func TestMirrorParsesOncePerDifference(t *testing.T) {
	parsed := map[string]int{}
	parse := func(s nodeobject.Summary) mesh.Node { parsed[s.Name]++; return nodeobject.Parse(s) }
	m := newMirror(nodeobject.Summarize, parse, func() {})
	steps := []error{
		m.Replace(list(object("a", "1", "1"), object("b", "2", "1")), "1"),
		m.Update(object("a", "1", "2")),
		m.Replace(list(object("a", "1", "3"), object("b", "2", "3")), "3"),
		m.Update(object("b", "2", "4", "warren.mesh/endpoint", "x")),
	}
	if i := slices.IndexFunc(steps, func(err error) bool { return err != nil }); i >= 0 {
		t.Fatalf("step %d: %v", i, steps[i])
	}
	m.values()
	if want := map[string]int{"a": 1, "b": 2}; !maps.Equal(parsed, want) {
		t.Errorf("parsed %v, want %v", parsed, want)
	}
}

// TestMirrorRefusesOthers shows that an object of another kind is an error, not a panic and not an empty Node.
func TestMirrorRefusesOthers(t *testing.T) {
	m := newMirror(nodeobject.Summarize, nodeobject.Parse, func() { t.Error("poked") })
	pod := &metav1.Status{}
	for name, err := range map[string]error{
		"add": m.Add(pod), "update": m.Update(pod), "delete": m.Delete(pod), "replace": m.Replace([]any{pod}, "1"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if m.synced() || len(m.values()) != 0 {
		t.Errorf("synced %t with %d nodes, want neither", m.synced(), len(m.values()))
	}
}

// TestMirrorMayBeReadByChanged shows that a poke holds no lock.
func TestMirrorMayBeReadByChanged(t *testing.T) {
	var m *mirror[nodeobject.Summary, mesh.Node]
	var seen int
	m = newMirror(nodeobject.Summarize, nodeobject.Parse, func() { seen = len(m.values()) })
	if err := m.Replace(list(object("a", "1", "1")), "1"); err != nil {
		t.Fatal(err)
	}
	if seen != 1 {
		t.Errorf("changed saw %d nodes, want 1", seen)
	}
}

// TestMirrorParsesOncePerContent counts what is parsed: each content once, and nothing for a heartbeat or a new list.
func TestMirrorParsesOncePerContent(t *testing.T) {
	var parsed []string
	parse := func(s nodeobject.Summary) string { parsed = append(parsed, s.Name+s.UID); return s.UID }
	m := newMirror(nodeobject.Summarize, parse, func() {})
	const key = "warren.mesh/public-key"
	for _, err := range []error{
		m.Replace(list(object("a", "1", "1"), object("b", "2", "1")), ""),
		m.Update(object("a", "1", "2")),
		m.Replace(list(object("a", "1", "3"), object("b", "2", "3")), ""),
		m.Update(object("a", "1", "4", key, "k")),
		m.Update(object("a", "1", "5", key, "k")),
		m.Update(object("b", "3", "6")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"a1", "b2", "a1", "b3"}, parsed); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
}

// TestMirrorParsesOutsideItsLock: while a list is parsed, which takes as long as it takes, readers get what was there.
func TestMirrorParsesOutsideItsLock(t *testing.T) {
	parsing, goOn := make(chan struct{}), make(chan struct{})
	parse := func(s nodeobject.Summary) string {
		if s.UID == "2" {
			close(parsing)
			<-goOn
		}
		return s.UID
	}
	m := newMirror(nodeobject.Summarize, parse, func() {})
	if err := m.Replace(list(object("a", "1", "1")), ""); err != nil {
		t.Fatal(err)
	}
	replaced := make(chan error)
	go func() { replaced <- m.Replace(list(object("a", "2", "2")), "") }()
	<-parsing
	// Each of these would wait for the end of the test.
	m.Report("trouble")
	if got, ok := m.value("a"); got != "1" || !ok || !m.synced() || m.obstacle() != "trouble" || len(m.values()) != 1 {
		t.Errorf("meanwhile: %q, %v", got, ok)
	}
	close(goOn)
	if err := <-replaced; err != nil {
		t.Fatal(err)
	}
	if got, _ := m.value("a"); got != "2" {
		t.Errorf("at the end: %q", got)
	}
}

package kube

import (
	"sync"

	"k8s.io/client-go/tools/cache"

	"warren.mesh/mesh/kube/nodeobject"
)

// mirror caches a comparable summary of each Node object and the value parsed from it. It parses again only when the
// summary differs. A reflector writes into it directly: an informer would keep the objects a second time in its queue,
// and would report updates that differ in nothing but a heartbeat.
type mirror[S summary, V any] struct {
	summarize func(object any) (S, error)
	parse     func(S) V
	changed   func()

	// writing is held by the writer that compares and parses, and mu for moments only. To verify the proofs of 5,000
	// nodes takes half a second; nobody who reads waits for that.
	writing sync.Mutex

	// mu guards what follows. Only a writer that holds writing too changes nodes, so it may read them without mu.
	mu      sync.Mutex
	nodes   map[string]entry[S, V]
	listed  bool
	trouble string
}

// summary holds the few fields of a Node object that matter. Equal summaries mean that nothing changed. The UID is one
// of the fields, so that a new Node of the same name is never taken for the old one.
type summary interface {
	comparable
	NodeName() string
}

// entry is one cached Node.
type entry[S summary, V any] struct {
	summary S
	value   V
}

func newMirror[S summary, V any](summarize func(any) (S, error), parse func(S) V, changed func()) *mirror[S, V] {
	return &mirror[S, V]{summarize: summarize, parse: parse, changed: changed, nodes: map[string]entry[S, V]{}}
}

var _ cache.TransformingStore = (*mirror[nodeobject.Summary, int])(nil)

// Transformer returns a function that makes the reflector collect summaries, not whole objects, during the initial
// stream.
func (m *mirror[S, V]) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return m.summarize(object) }
}

// Add does what Update does: after a watch resumes, an addition may arrive as an update and the reverse.
func (m *mirror[S, V]) Add(object any) error { return m.Update(object) }

// Update caches the object's summary and value, and pokes if the summary differs.
func (m *mirror[S, V]) Update(object any) error {
	s, err := m.summarize(object)
	if err != nil {
		return err
	}
	m.poke(m.update(s))
	return nil
}

func (m *mirror[S, V]) update(s S) (changed bool) {
	m.writing.Lock()
	defer m.writing.Unlock()
	e, changed := m.next(s)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes[s.NodeName()] = e
	return changed
}

// Delete removes the object and pokes if it was there.
func (m *mirror[S, V]) Delete(object any) error {
	s, err := m.summarize(object)
	if err != nil {
		return err
	}
	m.poke(m.remove(s))
	return nil
}

func (m *mirror[S, V]) remove(s S) (changed bool) {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	_, changed = m.nodes[s.NodeName()]
	delete(m.nodes, s.NodeName())
	return changed
}

// Replace takes a full list: the first one, or one after the watch was lost. It removes the Nodes that the list lacks.
func (m *mirror[S, V]) Replace(objects []any, _ string) error {
	summaries := make([]S, 0, len(objects))
	for _, object := range objects {
		s, err := m.summarize(object)
		if err != nil {
			return err
		}
		summaries = append(summaries, s)
	}
	m.poke(m.replace(summaries))
	return nil
}

func (m *mirror[S, V]) replace(summaries []S) (changed bool) {
	m.writing.Lock()
	defer m.writing.Unlock()
	nodes := make(map[string]entry[S, V], len(summaries))
	for _, s := range summaries {
		e, differs := m.next(s)
		nodes[s.NodeName()] = e
		changed = changed || differs
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	changed = changed || !m.listed || len(nodes) != len(m.nodes)
	m.nodes, m.listed = nodes, true
	return changed
}

// next returns the entry for s: the cached one, if its summary is the same. The caller holds writing.
func (m *mirror[S, V]) next(s S) (_ entry[S, V], changed bool) {
	if old, ok := m.nodes[s.NodeName()]; ok && old.summary == s {
		return old, false
	}
	return entry[S, V]{summary: s, value: m.parse(s)}, true
}

// Resync does nothing: there is no queue to fill again.
func (m *mirror[S, V]) Resync() error { return nil }

// Report records why the API server cannot be watched. Empty means that it can.
func (m *mirror[S, V]) Report(trouble string) {
	m.mu.Lock()
	changed := m.trouble != trouble
	m.trouble = trouble
	m.mu.Unlock()
	m.poke(changed)
}

// poke calls changed without holding mu, so that changed may read the mirror.
func (m *mirror[S, V]) poke(changed bool) {
	if changed {
		m.changed()
	}
}

func (m *mirror[S, V]) synced() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.listed
}

func (m *mirror[S, V]) obstacle() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trouble
}

func (m *mirror[S, V]) value(name string) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.nodes[name]
	return e.value, ok
}

func (m *mirror[S, V]) values() []V {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]V, 0, len(m.nodes))
	for _, e := range m.nodes {
		all = append(all, e.value)
	}
	return all
}

package kube

import (
	"sync"

	"k8s.io/client-go/tools/cache"
)

// mirror keeps what matters of Node objects: a comparable summary of each and the value parsed from it, once per
// difference. A reflector writes into it directly. An informer would keep the objects a second time in its queue, and
// would tell of updates that differ in nothing but a heartbeat.
type mirror[S summary, V any] struct {
	summarize func(object any) (S, error)
	parse     func(S) V
	changed   func()

	mu      sync.Mutex
	nodes   map[string]kept[S, V]
	listed  bool
	trouble string
}

// summary is the small rest of a Node object. Equal summaries mean that nothing happened; a changed UID under the same
// name makes them differ, so that another Node is never taken for a change of this one.
type summary interface {
	comparable
	nodeName() string
}

type kept[S summary, V any] struct {
	summary S
	value   V
}

func newMirror[S summary, V any](summarize func(any) (S, error), parse func(S) V, changed func()) *mirror[S, V] {
	return &mirror[S, V]{summarize: summarize, parse: parse, changed: changed, nodes: map[string]kept[S, V]{}}
}

var _ cache.TransformingStore = (*mirror[nodeSummary, int])(nil)

// Transformer makes the reflector collect summaries rather than whole objects during the initial stream.
func (m *mirror[S, V]) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return m.summarize(object) }
}

// Add is Update: after a watch is resumed the one may stand for the other.
func (m *mirror[S, V]) Add(object any) error { return m.Update(object) }

// Update keeps the object and pokes if its summary differs.
func (m *mirror[S, V]) Update(object any) error {
	s, err := m.summarize(object)
	if err != nil {
		return err
	}
	m.mu.Lock()
	entry, changed := m.entry(s)
	m.nodes[s.nodeName()] = entry
	m.mu.Unlock()
	m.poke(changed)
	return nil
}

// Delete forgets the object.
func (m *mirror[S, V]) Delete(object any) error {
	s, err := m.summarize(object)
	if err != nil {
		return err
	}
	m.mu.Lock()
	_, changed := m.nodes[s.nodeName()]
	delete(m.nodes, s.nodeName())
	m.mu.Unlock()
	m.poke(changed)
	return nil
}

// Replace takes a full list: the first one, or one after the watch was lost. Nodes that it lacks were deleted meanwhile.
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
	m.mu.Lock()
	defer m.mu.Unlock()
	next := make(map[string]kept[S, V], len(summaries))
	changed = !m.listed
	for _, s := range summaries {
		entry, differs := m.entry(s)
		next[s.nodeName()] = entry
		changed = changed || differs
	}
	changed = changed || len(next) != len(m.nodes)
	m.nodes, m.listed = next, true
	return changed
}

// entry is what to keep for s: what is there already, where it is the same. The caller holds mu.
func (m *mirror[S, V]) entry(s S) (_ kept[S, V], changed bool) {
	if old, ok := m.nodes[s.nodeName()]; ok && old.summary == s {
		return old, false
	}
	return kept[S, V]{summary: s, value: m.parse(s)}, true
}

// Resync does nothing: nobody consumes a queue here.
func (m *mirror[S, V]) Resync() error { return nil }

// report keeps why the API server cannot be followed; empty means that it can.
func (m *mirror[S, V]) report(trouble string) {
	m.mu.Lock()
	changed := m.trouble != trouble
	m.trouble = trouble
	m.mu.Unlock()
	m.poke(changed)
}

// poke calls changed without holding mu, so that it may read the mirror.
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
	entry, ok := m.nodes[name]
	return entry.value, ok
}

func (m *mirror[S, V]) values() []V {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]V, 0, len(m.nodes))
	for _, entry := range m.nodes {
		all = append(all, entry.value)
	}
	return all
}

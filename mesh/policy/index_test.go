package policy

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/nft"
)

// model is a table that edits change, as strict as the kernel: what is added is not there yet, what is removed is, and
// nothing goes that something else refers to.
type model struct {
	t        *testing.T
	sets     map[string]nft.Set
	chains   map[string]nft.Chain
	elements map[string]nft.Element
}

func newModel(t *testing.T) *model {
	m := &model{t: t, sets: map[string]nft.Set{}, chains: map[string]nft.Chain{}, elements: map[string]nft.Element{}}
	l := fixedLayout()
	for _, s := range l.Sets {
		m.sets[s.Name] = s
	}
	for _, c := range l.Chains {
		m.chains[c.Name] = c
	}
	return m
}

func place(e nft.Element) string { return e.Set + " " + e.Map + " " + strings.Join(e.Key, " ") }

func (m *model) apply(e Edit) {
	m.t.Helper()
	for _, s := range e.Sets {
		if _, there := m.sets[s.Name]; there {
			m.t.Fatalf("set %s is there already", s.Name)
		}
		m.sets[s.Name] = s
	}
	for _, c := range e.Chains {
		if _, there := m.chains[c.Name]; there {
			m.t.Fatalf("chain %s is there already", c.Name)
		}
		m.chains[c.Name] = c
	}
	for _, r := range e.Remove {
		if old, there := m.elements[place(r)]; !there || !slices.Equal(old.Value, r.Value) {
			m.t.Fatalf("element %v is not there, but %v", r, old)
		}
		delete(m.elements, place(r))
	}
	for _, a := range e.Add {
		if old, there := m.elements[place(a)]; there {
			m.t.Fatalf("element %v is there already: %v", a, old)
		}
		if _, there := m.sets[a.Set]; !there && a.Map == "" {
			m.t.Fatalf("no set for %v", a)
		}
		m.elements[place(a)] = a
	}
	for _, name := range e.DropChains {
		delete(m.chains, name)
	}
	for _, name := range e.DropSets {
		delete(m.sets, name)
		maps.DeleteFunc(m.elements, func(_ string, e nft.Element) bool { return e.Set == name })
	}
	m.checkReferences()
}

// checkReferences wants what rules and elements name to be there.
func (m *model) checkReferences() {
	m.t.Helper()
	for _, e := range m.elements {
		if len(e.Value) > 0 {
			if _, there := m.chains[strings.TrimPrefix(e.Value[0], "jump ")]; !there {
				m.t.Fatalf("no chain for %v", e)
			}
		}
	}
	for _, c := range m.chains {
		for _, r := range c.Rules {
			for word := range strings.FieldsSeq(r.Text) {
				name, isSet := strings.CutPrefix(word, "@")
				_, there := m.sets[name]
				if isSet && !there && !strings.HasPrefix(name, "from") && !strings.HasPrefix(name, "to") {
					m.t.Fatalf("chain %s: no set %s", c.Name, name)
				}
			}
		}
	}
}

// layout returns the table as Compile does.
func (m *model) layout() nft.Layout {
	l := fixedLayout()
	fixedSets, fixedChains := len(l.Sets), len(l.Chains)
	for _, s := range l.Sets {
		delete(m.sets, s.Name)
	}
	for _, c := range l.Chains {
		delete(m.chains, c.Name)
	}
	l.Sets = append(l.Sets, slices.Collect(maps.Values(m.sets))...)
	sortByName(l.Sets[fixedSets:], func(s nft.Set) string { return s.Name })
	l.Chains = append(l.Chains, slices.Collect(maps.Values(m.chains))...)
	sortByName(l.Chains[fixedChains:], func(c nft.Chain) string { return c.Name })
	for _, s := range l.Sets[:fixedSets] {
		m.sets[s.Name] = s
	}
	for _, c := range l.Chains[:fixedChains] {
		m.chains[c.Name] = c
	}
	l.Elements = slices.Collect(maps.Values(m.elements))
	sortElements(l.Elements)
	return l
}

// After any events the edits have made of a table what Compile makes at once, and an edit says that it tightens if a
// connection that was let through is refused.
func FuzzIndex(f *testing.F) {
	for seed := range uint64(25) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		d, w, ix, m := newDice(seed), watched{Input: Input{Self: "node0"}}, NewIndex(), newModel(t)
		for range 40 {
			before := newCourt(w.Input)
			for range d.IntN(6) {
				w.event(d, ix)
			}
			edit := ix.Commit()
			m.apply(edit)
			want, problems := Compile(w.Input)
			if got := m.layout(); !reflect.DeepEqual(want.Table, got) {
				t.Fatalf("the table after edits (-Compile +Index):\n%s", cmp.Diff(want.Table, got))
			}
			if diff := cmp.Diff(problems, ix.Problems()); diff != "" {
				t.Fatalf("problems (-Compile +Index):\n%s", diff)
			}
			now := newCourt(w.Input)
			for range 20 {
				c := d.connection()
				was, is := before.judge(c), now.judge(c)
				// A pod that is not known any more is cut off before the cache.
				if was.Allowed && !is.Allowed && is.Reason == ByPolicies && was.Reason != FromNode && !edit.Tightens &&
					!unknownBefore(before, c) {
					t.Fatalf("%v was let through and is not, and the edit does not tighten: %v%v", c, was, is)
				}
			}
		}
		want, _ := Compile(w.Input)
		if diff := cmp.Diff(want, ix.State()); diff != "" {
			t.Fatalf("State (-Compile +State):\n%s", diff)
		}
	})
}

// unknownBefore reports whether an end was not here: what is let through to elsewhere is not in this node's cache.
func unknownBefore(c *court, conn Connection) bool {
	return !c.end(conn.Client).attached && !c.end(conn.Server).attached
}

// The order of the input does not matter, and equal inputs have equal names.
func TestOrderDoesNotMatter(t *testing.T) {
	for seed := range uint64(20) {
		d := newDice(seed)
		in := d.cluster()
		want, problems := Compile(in)
		d.Shuffle(len(in.Pods), func(i, j int) { in.Pods[i], in.Pods[j] = in.Pods[j], in.Pods[i] })
		d.Shuffle(len(in.Nodes), func(i, j int) { in.Nodes[i], in.Nodes[j] = in.Nodes[j], in.Nodes[i] })
		d.Shuffle(len(in.Policies), func(i, j int) { in.Policies[i], in.Policies[j] = in.Policies[j], in.Policies[i] })
		d.Shuffle(len(in.Attached), func(i, j int) { in.Attached[i], in.Attached[j] = in.Attached[j], in.Attached[i] })
		got, again := Compile(in)
		if !reflect.DeepEqual(want, got) || !slices.Equal(problems, again) {
			t.Fatalf("seed %d: %s", seed, cmp.Diff(want, got))
		}
	}
}

package policy

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"unique"
)

// Labels are an object's labels as a value that can be compared. Objects with equal labels share the memory. The zero
// value has none.
type Labels struct{ sorted unique.Handle[string] }

// NewLabels returns the labels as a value; nil is the zero value's meaning, no labels.
func NewLabels(labels map[string]string) Labels {
	if len(labels) == 0 {
		return Labels{}
	}
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		b.WriteString(label(key, labels[key]) + "\x00")
	}
	return Labels{unique.Make(b.String())}
}

// Get returns the value of a label; ok is false where there is none of that key.
func (l Labels) Get(key string) (value string, ok bool) {
	if l == (Labels{}) {
		return "", false
	}
	for pair := range l.all() {
		if v, found := strings.CutPrefix(pair, key); found && strings.HasPrefix(v, "=") {
			return v[1:], true
		}
	}
	return "", false
}

// label returns one label as a text.
func label(key, value string) string { return key + "=" + value }

// all returns the labels one by one, as label writes them.
func (l Labels) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		if l == (Labels{}) {
			return
		}
		rest := l.sorted.Value()
		for {
			pair, after, found := strings.Cut(rest, "\x00")
			if !found || !yield(pair) {
				return
			}
			rest = after
		}
	}
}

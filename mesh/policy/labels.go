package policy

import (
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
		b.WriteString(key + "=" + labels[key] + "\x00")
	}
	return Labels{unique.Make(b.String())}
}

// Get returns the value of a label; ok is false where there is none of that key.
func (l Labels) Get(key string) (value string, ok bool) {
	if l == (Labels{}) {
		return "", false
	}
	for pair := range strings.SplitSeq(l.sorted.Value(), "\x00") {
		if k, v, found := strings.Cut(pair, "="); found && k == key {
			return v, true
		}
	}
	return "", false
}

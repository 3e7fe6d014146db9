package policy

import (
	"fmt"
	"slices"
	"testing"
)

// A selector that is kept selects what meets each of its requirements, in whatever order they are written.
func TestMatches(t *testing.T) {
	d := newDice(1)
	selected := 0
	for range 20_000 {
		var s Selector
		for range d.IntN(5) {
			s.Requirements = append(s.Requirements, d.selector().Requirements...)
		}
		l := d.labels()
		kept, ok := (&keeper{}).selector(s, "", "")
		if !ok {
			continue
		}
		want := !slices.ContainsFunc(s.Requirements, func(r Requirement) bool { return !meets(l, r) })
		if got := kept.Matches(l); got != want {
			t.Fatalf("%v of %v: %t, want %t", s, slices.Collect(l.all()), got, want)
		}
		if want {
			selected++
		}
	}
	if selected < 1_000 {
		t.Errorf("only %d selected", selected)
	}
}

// meets is as the API's documentation has it.
func meets(l Labels, r Requirement) bool {
	value, there := l.Get(r.Key)
	switch r.Operator {
	case In:
		return there && slices.Contains(r.Values, value)
	case NotIn:
		return !there || !slices.Contains(r.Values, value)
	case Exists:
		return there
	case DoesNotExist:
		return !there
	default:
		panic(fmt.Sprintf("operator %q", r.Operator))
	}
}

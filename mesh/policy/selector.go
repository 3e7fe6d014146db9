package policy

import (
	"cmp"
	"slices"
	"strings"
)

// Selector selects objects by their labels: those that meet all requirements. The zero value selects all.
type Selector struct{ Requirements []Requirement }

// Requirement is one of matchExpressions; an entry of matchLabels is an In with one value.
type Requirement struct {
	Key      string
	Operator Operator
	// Values is empty for Exists and DoesNotExist.
	Values []string
}

// Operator says how a Requirement compares.
type Operator string

// The operators of a LabelSelector (k8s.io/apimachinery/pkg/apis/meta/v1).
const (
	In           Operator = "In"
	NotIn        Operator = "NotIn"
	Exists       Operator = "Exists"
	DoesNotExist Operator = "DoesNotExist"
)

// Matches reports whether the labels meet all requirements, in the order of sorted, and each with sorted values. An
// operator that is not known is met by none. It costs what the labels are, and not what the requirements are: of those
// that want a label no more can be met than there are labels, and the others are looked up by them.
func (s Selector) Matches(l Labels) bool {
	wanting := 0
	for wanting < len(s.Requirements) && s.Requirements[wanting].wants() {
		if !s.Requirements[wanting].met(l) {
			return false
		}
		wanting++
	}
	others := s.Requirements[wanting:]
	if len(others) == 0 {
		return true
	}
	for label := range l.all() {
		key, _, _ := strings.Cut(label, "=")
		i, _ := slices.BinarySearchFunc(others, key, Requirement.compareKey)
		for ; i < len(others) && others[i].Key == key; i++ {
			if !others[i].met(l) {
				return false
			}
		}
	}
	return true
}

// sorted returns the requirements each once, those first that want a label, and by key.
func sorted(requirements []Requirement) []Requirement {
	order := func(a, b Requirement) int {
		return cmp.Or(cmp.Compare(a.class(), b.class()), cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Operator, b.Operator), slices.Compare(a.Values, b.Values))
	}
	return slices.CompactFunc(slices.SortedFunc(slices.Values(requirements), order), func(a, b Requirement) bool {
		return order(a, b) == 0
	})
}

// wants reports whether only objects that have the label meet the requirement.
func (r Requirement) wants() bool { return r.Operator != NotIn && r.Operator != DoesNotExist }

func (r Requirement) compareKey(key string) int { return cmp.Compare(r.Key, key) }

func (r Requirement) class() int {
	if r.wants() {
		return 0
	}
	return 1
}

func (r Requirement) met(l Labels) bool {
	value, ok := l.Get(r.Key)
	_, named := slices.BinarySearch(r.Values, value)
	switch r.Operator {
	case In:
		return ok && named
	case NotIn:
		return !ok || !named
	case Exists:
		return ok
	case DoesNotExist:
		return !ok
	default:
		return false
	}
}

package policy

import "slices"

// Selector selects objects by their labels: those that meet all requirements. The zero value selects all.
type Selector struct{ Requirements []Requirement }

// Requirement is one of matchExpressions; an entry of matchLabels is an In with one value.
type Requirement struct {
	Key      string
	Operator Operator
	// Values is empty for Exists and DoesNotExist. In a policy that is kept they are sorted.
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

// Matches reports whether the labels meet all requirements, whose values are sorted. An operator that is not known is
// met by none.
func (s Selector) Matches(l Labels) bool {
	for _, r := range s.Requirements {
		if !r.met(l) {
			return false
		}
	}
	return true
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

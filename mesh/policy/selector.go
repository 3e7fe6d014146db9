package policy

import "slices"

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

// Matches reports whether the labels meet all requirements. An operator that is not known is met by none.
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
	switch r.Operator {
	case In:
		return ok && slices.Contains(r.Values, value)
	case NotIn:
		return !ok || !slices.Contains(r.Values, value)
	case Exists:
		return ok
	case DoesNotExist:
		return !ok
	default:
		return false
	}
}

package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// contentName returns a name that follows from the content alone, so that sets and chains of one name are equal, after
// a restart too. Eighty bits: whoever writes policies may look for two contents with one name.
func contentName(kind, content string) string {
	sum := sha256.Sum256([]byte(content))
	return kind + "-" + hex.EncodeToString(sum[:10])
}

// commentLength leaves room in nft's 128 characters for the digest that a rule's comment ends with.
const commentLength = 110

// comment returns a text that nft takes as a comment: what the cluster's users write must not end the string.
func comment(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, text)
	if len(text) > commentLength {
		text = text[:commentLength-3] + "..."
	}
	return text
}

// content returns a text that is equal for selectors that say the same in another order, and for no others.
func (s Selector) content() string {
	var all []string
	for _, r := range s.Requirements {
		values := slices.Sorted(slices.Values(r.Values))
		all = append(all, fmt.Sprintf("%q %q %q", r.Key, r.Operator, slices.Compact(values)))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ";")
}

// String returns the selector in kubectl's words: "app=db,tier in (a,b),!old"; "all" for the one that selects all.
func (s Selector) String() string {
	var all []string
	for _, r := range s.Requirements {
		distinct := slices.Compact(slices.Sorted(slices.Values(r.Values)))
		values := strings.Join(distinct, ",")
		switch {
		case r.Operator == Exists:
			all = append(all, r.Key)
		case r.Operator == DoesNotExist:
			all = append(all, "!"+r.Key)
		case r.Operator == NotIn:
			all = append(all, r.Key+" notin ("+values+")")
		case len(distinct) == 1:
			all = append(all, r.Key+"="+values)
		default:
			all = append(all, r.Key+" in ("+values+")")
		}
	}
	if len(all) == 0 {
		return "all"
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ",")
}

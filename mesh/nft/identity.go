package nft

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// identityChain has one rule, whose comment is the table's identity. The table's own comment would be the place, but
// neither knftables nor the JSON of nft before 1.0.8 returns that one. No chain jumps to it.
const identityChain = "about"

// Identity returns the comment from which a daemon that starts again learns what the table was made from, and whether
// this version of warren would make the same table from it.
func (l Layout) Identity() string { return l.Origin + " #" + l.digest() }

var identityPattern = regexp.MustCompile(`^(.*) #[0-9a-f]{8}$`)

// parseIdentity returns the Origin in an identity; ok is false where the comment is not one of Identity's.
func parseIdentity(comment string) (origin string, ok bool) {
	m := identityPattern.FindStringSubmatch(comment)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// Comment returns the rule's comment: nft prints a rule in other words than it was written in, and in others from
// version to version, so the comment carries a digest by which an unaltered rule is recognised.
func (r Rule) Comment() string { return r.Reason + " #" + digest(r.Text) }

// digest tells whether two texts are equal: eight characters, against accidents and not against attackers.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}

// digest covers everything in the layout but the elements, comments included.
func (l Layout) digest() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%#v %q %q\n%#v\n%#v\n%#v\n", l.ID, l.Comment, l.Origin, l.Counters, l.Sets, l.Maps)
	for _, c := range l.Chains {
		fmt.Fprintf(&text, "%#v\n", c)
	}
	return digest(text.String())
}

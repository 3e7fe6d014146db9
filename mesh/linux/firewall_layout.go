package linux

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"sigs.k8s.io/knftables"

	"warren.mesh/mesh"
)

// layout is everything of the table but its sets' elements. It is compared with what the kernel has by names and
// comments: nft prints a rule in other words than it was written, and in others from version to version, so each rule's
// comment carries a digest of the rule, and one more comment the digest of all.
type layout struct {
	// about is what the layout was made from and cannot be read from the sets; see parameters.
	about    parameters
	counters []counter
	sets     []set
	chains   []chain
}

type counter struct{ name, comment string }

type set struct {
	name, typ, comment string
	// interval sets hold prefixes.
	interval bool
}

type chain struct {
	name, comment string
	typ           knftables.BaseChainType
	hook          knftables.BaseChainHook
	priority      knftables.BaseChainPriority
	rules         []rule
}

// rule is one rule and, for whoever reads the table at night, the reason for it.
type rule struct{ text, reason string }

// comment is at most 128 characters long (knftables.CommentLengthMax).
func (r rule) comment() string { return r.reason + " #" + digest(r.text) }

// layoutOf is the table for fw. Both address families are always there: with no elements in its sets a rule does nothing,
// and a family turned on later finds its guard in place.
func layoutOf(fw mesh.Firewall) layout {
	return layout{
		about:    parameters{link: fw.Link, bridge: fw.Bridge, port: fw.Port, mark: fw.Mark},
		counters: counters(),
		sets:     setsOf(fw),
		chains:   chainsOf(fw),
	}
}

// digest tells whether two texts are the same: eight characters, against accidents and not against attackers.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}

// digest is of everything in the layout, comments included.
func (l layout) digest() string {
	var text strings.Builder
	fmt.Fprintln(&text, l.about, l.counters, l.sets)
	for _, c := range l.chains {
		fmt.Fprintln(&text, c)
	}
	return digest(text.String())
}

// write adds the layout to a transaction that has no table yet.
func (l layout) write(tx *knftables.Transaction) {
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("guards pods' traffic; made by the warren daemon, which undoes edits")})
	for _, c := range l.counters {
		tx.Add(&knftables.Counter{Name: c.name, Comment: &c.comment})
	}
	for _, s := range l.sets {
		object := &knftables.Set{Name: s.name, Type: s.typ, Comment: &s.comment}
		if s.interval {
			object.Flags = []knftables.SetFlag{knftables.IntervalFlag}
		}
		tx.Add(object)
	}
	tx.Add(&knftables.Chain{Name: aboutChain, Comment: knftables.PtrTo("what the table was made from; no packet comes here")})
	tx.Add(&knftables.Rule{Chain: aboutChain, Rule: "return", Comment: knftables.PtrTo(l.identity())})
	for _, c := range l.chains {
		c.write(tx)
	}
}

func (c chain) write(tx *knftables.Transaction) {
	tx.Add(&knftables.Chain{
		Name: c.name, Comment: &c.comment,
		Type: &c.typ, Hook: &c.hook, Priority: &c.priority, Policy: knftables.PtrTo(knftables.AcceptPolicy),
	})
	for _, r := range c.rules {
		tx.Add(&knftables.Rule{Chain: c.name, Rule: r.text, Comment: knftables.PtrTo(r.comment())})
	}
}

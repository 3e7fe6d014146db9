package nft

import "strings"

// ID identifies a table of a network namespace.
type ID struct {
	// Family is an address family in nft's words: "inet", "bridge", "ip", "ip6", "arp" or "netdev".
	Family string
	// Name is the table's name.
	Name string
}

// String returns the words by which nft's commands name the table: "inet warren".
func (id ID) String() string { return id.Family + " " + id.Name }

// Own reports whether the table is warren's: the names of all that it writes begin so.
func (id ID) Own() bool { return strings.HasPrefix(id.Name, "warren") }

// Layout is a table as a value: all that Replace writes.
type Layout struct {
	ID
	// Comment says to operators what the table is for.
	Comment string
	// Origin says what the table was made from, as far as that cannot be read from the elements. A daemon that starts
	// again reads it back; see Listing.Origin.
	Origin string
	// Counters, Sets, Maps and Chains are written in this order, and Elements last.
	Counters []Counter
	Sets     []Set
	Maps     []Map
	Chains   []Chain
	// Elements are those of all sets and maps. They are no part of the layout's digest, because they change one by one.
	Elements []Element
}

// Counter is a named counter, which rules name.
type Counter struct{ Name, Comment string }

// Set is a named set, without its elements.
type Set struct {
	Name, Comment string
	// Type is the key's type in nft's words: "ipv4_addr", "ipv4_addr . inet_service". It is empty where Typeof is not.
	Type string
	// Typeof says which part of a packet the key is, in nft's words: "ct id . ct original ip saddr".
	Typeof string
	// Interval says that the set holds prefixes and ranges, not single keys.
	Interval bool
	// Dynamic says that rules add the elements: "update @fresh4 { ct id }". They are no part of a Layout or a Listing.
	// To count what each element has met, the rule says so: "update @refused4 { ip saddr counter }".
	Dynamic bool
	// Timeout is how long an element stays after it was added or updated, in seconds; zero is for good.
	Timeout uint32
	// Size is the largest number of elements; zero is no limit, which a dynamic set cannot have.
	Size uint64
}

// Map is a named map, without its elements.
type Map struct {
	Name, Comment string
	// Type is the types of key and value in nft's words: "ipv4_addr : verdict".
	Type string
	// Interval says that the keys are prefixes and ranges.
	Interval bool
}

// Chain is a chain of rules. A packet that no rule drops passes: the policy is accept in all of them.
type Chain struct {
	Name, Comment string
	// Type, Hook and Priority say where packets enter the chain, in nft's words: "filter", "forward", "filter+10". They
	// are empty in a chain that only other chains jump to.
	Type, Hook, Priority string
	Rules                []Rule
}

// Rule is one rule of a chain.
type Rule struct {
	// Text is the rule in nft's words.
	Text string
	// Reason says to an operator who lists the table what the rule is for. Together with its digest it becomes the
	// rule's comment, which nft limits to 128 characters (knftables.CommentLengthMax).
	Reason string
}

// Element is an element of a set or of a map; the other name is empty.
type Element struct {
	Set, Map string
	// Key has several parts where the set's type is a concatenation.
	Key []string
	// Value is empty in a set.
	Value []string
}

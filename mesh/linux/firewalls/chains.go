package firewalls

import (
	"slices"
	"strings"

	"warren.mesh/mesh/nft"
)

// Comment begins the comments of warren's rules in iptables' chains.
const Comment = "warren: "

// chain is a base chain in which the mesh's packets may be dropped, with its rules.
type chain struct {
	nft.BaseChain
	rules []nft.SimpleRule
	// before are the rules that come before its end, those of chains that all packets jump to among them.
	before []nft.SimpleRule
}

// isIPTables reports whether it is a chain of iptables', with nftables behind it, in which warren may add rules.
func isIPTables(c nft.BaseChain) bool {
	return (c.Family == "ip" || c.Family == "ip6") && c.Name == "filter" && c.Chain == strings.ToUpper(c.Hook)
}

// concerns reports whether what the mesh needs passes the chain.
func concerns(c nft.BaseChain) bool {
	return c.Type == "filter" && (c.Hook == "forward" || c.Hook == "input") && !c.Own() &&
		slices.Contains([]string{"ip", "ip6", "inet"}, c.Family)
}

// rulesOf returns the rules of another chain of a table.
type rulesOf func(chain string) ([]nft.SimpleRule, error)

// read reads a base chain, with the rules of the chains that all of its packets jump to in the place of the jumps, and
// returns its end.
func read(base nft.BaseChain) (c chain, end int, err error) {
	known := map[string][]nft.SimpleRule{}
	of := func(name string) ([]nft.SimpleRule, error) {
		if rules, ok := known[name]; ok {
			return rules, nil
		}
		rules, err := nft.Rules(base.ID, name)
		known[name] = rules
		return rules, err
	}
	rules, err := of(base.Chain)
	if err != nil {
		return c, 0, err
	}
	c = chain{BaseChain: base, rules: rules}
	if end, err = c.end(of); err != nil {
		return c, 0, err
	}
	before := rules
	if end >= 0 {
		before = rules[:end]
	}
	c.before, err = flat(before, of, depth)
	return c, end, err
}

// flat returns rules with those of the chains that all packets jump to after the jumps, which stay.
func flat(rules []nft.SimpleRule, of rulesOf, depth int) (all []nft.SimpleRule, err error) {
	for _, r := range rules {
		all = append(all, r)
		if r.Target == "" || !r.Unconditional() || depth == 0 {
			continue
		}
		inner, err := of(r.Target)
		if err != nil {
			return nil, err
		}
		if inner, err = flat(inner, of, depth-1); err != nil {
			return nil, err
		}
		all = append(all, inner...)
	}
	return all, nil
}

// end returns the index of the rule at which nothing passes any more; the number of rules where that is the policy, -1
// where something is left to pass.
func (c chain) end(of rulesOf) (int, error) {
	i, verdict, err := decides(c.rules, of, depth)
	switch {
	case err != nil:
		return 0, err
	case verdict == "drop", verdict == "return" && c.Drops: // where a base chain returns to, its policy is
		return i, nil
	case verdict == "" && c.Drops:
		return len(c.rules), nil
	default:
		return -1, nil
	}
}

// depth bounds how far jumps are followed; the kernel's own bound is 16 (NFT_JUMP_STACK_SIZE).
const depth = 16

// decides returns the first rule that decides about all packets that come to it, and how: "drop", "accept", or "return"
// to where the chain was called from; empty where none does.
func decides(rules []nft.SimpleRule, of rulesOf, depth int) (at int, verdict string, err error) {
	for i, r := range rules {
		if !r.Unconditional() || r.Verdict == "" {
			continue
		}
		if r.Target == "" {
			return i, r.Verdict, nil
		}
		if depth == 0 {
			return 0, "", nil
		}
		inner, err := of(r.Target)
		if err != nil {
			return 0, "", err
		}
		_, verdict, err := decides(inner, of, depth-1)
		switch {
		case err != nil:
			return 0, "", err
		case verdict == "drop" || verdict == "accept":
			return i, verdict, nil
		case r.Verdict == "goto":
			return i, "return", nil
		}
	}
	return 0, "", nil
}

// edit is what makes a chain of iptables' let the mesh in.
type edit struct {
	// before is the handle of the rule that the new ones go before; zero for the end.
	before uint64
	add    []nft.SimpleRule
	// remove are warren's own rules that are of no use where they are.
	remove []uint64
}

// passing returns the edit after which everything in want passes the chain, which drops from the rule at end on. Rules
// go no further up than that: what somebody drops by name is dropped.
func (c chain) passing(want []nft.SimpleRule, end int) (e edit) {
	for _, w := range want {
		if !slices.ContainsFunc(c.rules[:end], func(r nft.SimpleRule) bool { return lets(r, w) }) {
			e.add = append(e.add, w)
		}
	}
	if end == len(c.rules) {
		return e
	}
	e.before = c.rules[end].Handle
	for _, r := range c.rules[end:] {
		if strings.HasPrefix(r.Comment, Comment) {
			e.remove = append(e.remove, r.Handle)
		}
	}
	return e
}

// lets reports whether the rule lets in what want does, whoever made it.
func lets(r, want nft.SimpleRule) bool {
	return r.Verdict == "accept" && !r.Narrowed && r.In == want.In && r.Out == want.Out && r.UDPPort == want.UDPPort
}

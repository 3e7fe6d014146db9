package routing

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
	"warren.mesh/mesh/linux/rtnl"
)

// The kinds of write that Rules counts.
const (
	opRuleAdd    = "rule-add"
	opRuleRemove = "rule-del"
)

// Rules are warren's policy-routing rules.
type Rules struct {
	Conn *rtnl.Conn
	// Count is called for every write, with its kind.
	Count func(kind string)
}

// Observe returns the rules of warren's protocol, those of one family in the order in which the kernel asks them. Linux
// has that attribute (FRA_PROTOCOL) since 4.17, which is older than anything that nftables needs here, so an
// administrator's rule that looks alike is never taken for warren's.
func (r Rules) Observe() ([]mesh.Rule, error) {
	var rules []mesh.Rule
	for _, family := range rtnl.Families {
		all, err := r.list(family)
		if err != nil {
			return nil, err
		}
		rules = append(rules, placed(all)...)
	}
	return rules, nil
}

// Set makes the sequence of each family in want the one in force, and writes nothing where it is. The new sequence is
// complete before the earlier one ends, so that a packet always finds one of them.
func (r Rules) Set(want []mesh.Rule) error {
	var errs []error
	for i, family := range rtnl.Families {
		v6 := i == 1
		sequence := slices.DeleteFunc(slices.Clone(want), func(rule mesh.Rule) bool { return rule.IPv6 != v6 })
		if len(sequence) > 0 {
			errs = append(errs, r.set(family, sequence))
		}
	}
	return errors.Join(errs...)
}

func (r Rules) set(family int, sequence []mesh.Rule) error {
	all, err := r.list(family)
	if err != nil {
		return err
	}
	inForce, spare := spots(all)
	have := at(inForce, all)
	if slices.Equal(sequence, have) {
		return nil
	}
	// What a daemon that was killed between the two has left at the spare preference would come before the new rules.
	if err := r.each(fromBehind(at(spare, all)), spare, r.remove); err != nil {
		return err
	}
	if err := r.each(sequence, spare, r.add); err != nil {
		return err
	}
	stale := func(rule mesh.Rule) bool { return !slices.Contains(sequence, rule) }
	return r.each(fromBehind(slices.DeleteFunc(have, stale)), inForce, r.remove)
}

// Remove deletes exactly these rules, the last ones first: one that is astray where it was seen, another one wherever
// it is. It continues past those that fail. A rule that is gone already is no failure.
func (r Rules) Remove(rules []mesh.Rule) error {
	if len(rules) == 0 {
		return nil
	}
	var errs []error
	for _, family := range rtnl.Families {
		all, err := r.list(family)
		errs = append(errs, err)
		for _, one := range fromBehind(all) {
			if one.ours && slices.ContainsFunc(rules, one.is) {
				errs = append(errs, r.remove(one.rule, one.preference))
			}
		}
	}
	return errors.Join(errs...)
}

// Earlier says which rules of others stay before warren's, because they have one of the preferences below which there
// is no room, and what mends that. The kernel's own rule for the local table is none of them.
func (r Rules) Earlier() (doubts []string, err error) {
	for _, family := range rtnl.Families {
		all, err := r.list(family)
		if err != nil {
			return nil, err
		}
		command := map[int]string{unix.AF_INET: "ip", unix.AF_INET6: "ip -6"}[family]
		for _, l := range all {
			if l.first() {
				doubts = append(doubts, fmt.Sprintf("a rule of somebody else's with the preference %d (lookup %d) "+
					"comes before warren's, and what it takes of pods' packets is dropped: give it one above %d, "+
					"see `%s rule`", l.preference, l.rule.Table, untouched, command))
			}
		}
	}
	return doubts, nil
}

func (r Rules) each(rules []mesh.Rule, preference uint32, write func(mesh.Rule, uint32) error) error {
	return rtnl.Each(rules, func(rule mesh.Rule) error { return write(rule, preference) })
}

func (r Rules) add(rule mesh.Rule, preference uint32) error {
	r.Count(opRuleAdd)
	if err := r.Conn.Handle.RuleAdd(fromRule(rule, preference)); err != nil {
		return fmt.Errorf("add rule %v: %w", rule, err)
	}
	return nil
}

// remove names the protocol in its request, which the kernel compares.
func (r Rules) remove(rule mesh.Rule, preference uint32) error {
	r.Count(opRuleRemove)
	err := r.Conn.Handle.RuleDel(fromRule(rule, preference))
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove rule %v: %w", rule, err)
	}
	return nil
}

func (r Rules) list(family int) ([]listed, error) {
	all, err := r.Conn.Rules(family)
	rules := make([]listed, 0, len(all))
	for _, one := range all {
		rules = append(rules, listed{
			rule: toRule(one), preference: uint32(one.Priority), ours: one.Protocol == mesh.Protocol,
		})
	}
	return rules, err
}

func toRule(r netlink.Rule) mesh.Rule {
	rule := mesh.Rule{
		IPv6:     r.Family == unix.AF_INET6,
		Mark:     r.Mark,
		From:     rtnl.ToPrefix(r.Src),
		To:       rtnl.ToPrefix(r.Dst),
		Incoming: r.IifName,
		Table:    uint32(r.Table),
	}
	if r.Mask != nil {
		rule.Mask = *r.Mask
	}
	return rule
}

func fromRule(r mesh.Rule, preference uint32) *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family = unix.AF_INET
	if r.IPv6 {
		rule.Family = unix.AF_INET6
	}
	rule.Protocol = mesh.Protocol
	rule.Priority = int(preference)
	rule.Table = int(r.Table)
	rule.Mark = r.Mark
	if r.Mask != 0 {
		rule.Mask = &r.Mask
	}
	rule.Src, rule.Dst = rtnl.ToIPNet(r.From), rtnl.ToIPNet(r.To)
	rule.IifName = r.Incoming
	return rule
}

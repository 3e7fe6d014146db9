package routing

import (
	"errors"
	"fmt"
	"syscall"

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

// Observe returns the rules of warren's protocol, in no order. Linux has that attribute (FRA_PROTOCOL) since 4.17,
// which is older than anything that nftables needs here, so an administrator's rule that looks alike is never taken for
// warren's.
func (r Rules) Observe() ([]mesh.Rule, error) {
	var rules []mesh.Rule
	for _, family := range rtnl.Families {
		all, err := r.Conn.Rules(family)
		if err != nil {
			return nil, err
		}
		for _, one := range all {
			if one.Protocol == mesh.Protocol {
				rules = append(rules, toRule(one))
			}
		}
	}
	return rules, nil
}

// Add adds the rules, and continues past those that fail. A rule that is there already is no failure.
func (r Rules) Add(rules []mesh.Rule) error {
	return r.each(rules, opRuleAdd, "add", r.Conn.Handle.RuleAdd, unix.EEXIST)
}

// Remove deletes exactly these rules, since the request names the protocol, which the kernel compares. It continues
// past those that fail. A rule that is gone already is no failure.
func (r Rules) Remove(rules []mesh.Rule) error {
	return r.each(rules, opRuleRemove, "remove", r.Conn.Handle.RuleDel, unix.ENOENT)
}

func (r Rules) each(rules []mesh.Rule, op, verb string, write func(*netlink.Rule) error, done syscall.Errno) error {
	return rtnl.Each(rules, func(rule mesh.Rule) error {
		r.Count(op)
		if err := write(fromRule(rule)); err != nil && !errors.Is(err, done) {
			return fmt.Errorf("%s rule %v: %w", verb, rule, err)
		}
		return nil
	})
}

func toRule(r netlink.Rule) mesh.Rule {
	rule := mesh.Rule{
		IPv6:     r.Family == unix.AF_INET6,
		Priority: uint32(r.Priority),
		Mark:     r.Mark,
		From:     rtnl.ToPrefix(r.Src),
		Incoming: r.IifName,
		Table:    uint32(r.Table),
	}
	if r.Mask != nil {
		rule.Mask = *r.Mask
	}
	return rule
}

func fromRule(r mesh.Rule) *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family = unix.AF_INET
	if r.IPv6 {
		rule.Family = unix.AF_INET6
	}
	rule.Protocol = mesh.Protocol
	rule.Priority = int(r.Priority)
	rule.Table = int(r.Table)
	rule.Mark = r.Mark
	if r.Mask != 0 {
		rule.Mask = &r.Mask
	}
	rule.Src = rtnl.ToIPNet(r.From)
	rule.IifName = r.Incoming
	return rule
}

package linux

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

// observeRules are the rules of warren's protocol. Linux has that attribute (FRA_PROTOCOL) since 4.17, older than anything
// that nftables needs here, so nothing is recognised by its looks alone: an administrator's rule stays his.
func (h *Host) observeRules() ([]mesh.Rule, error) {
	var rules []mesh.Rule
	for _, family := range bothFamilies {
		all, err := h.dumps.rules(family)
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			if r.Protocol == mesh.Protocol {
				rules = append(rules, toRule(r))
			}
		}
	}
	return rules, nil
}

func (h *Host) addRules(rules []mesh.Rule) error {
	var failed failures
	for _, r := range rules {
		h.counts.add(opRuleAdd)
		if err := h.netlink.RuleAdd(fromRule(r)); err != nil && !errors.Is(err, unix.EEXIST) {
			failed.add(fmt.Errorf("add rule %v: %w", r, err))
		}
	}
	return failed.err()
}

// removeRules deletes exactly these: the request names the protocol, which the kernel compares.
func (h *Host) removeRules(rules []mesh.Rule) error {
	var failed failures
	for _, r := range rules {
		h.counts.add(opRuleDel)
		if err := h.netlink.RuleDel(fromRule(r)); err != nil && !errors.Is(err, unix.ENOENT) {
			failed.add(fmt.Errorf("remove rule %v: %w", r, err))
		}
	}
	return failed.err()
}

func toRule(r netlink.Rule) mesh.Rule {
	rule := mesh.Rule{
		IPv6:     r.Family == unix.AF_INET6,
		Priority: uint32(r.Priority),
		Mark:     r.Mark,
		From:     toPrefix(r.Src),
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
	rule.Src = toIPNet(r.From)
	rule.IifName = r.Incoming
	return rule
}

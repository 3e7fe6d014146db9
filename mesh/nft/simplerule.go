package nft

import (
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// SimpleRule is a rule of anybody's table, as far as it can be told whom it is about and what it decides.
type SimpleRule struct {
	// Handle identifies the rule in its table.
	Handle  uint64
	Comment string
	// In and Out are the names of the interfaces that it is about, and UDPPort the destination port; zero where it is
	// not about one.
	In, Out string
	UDPPort uint16
	// Narrowed says that it has other conditions, too, which a packet may not meet.
	Narrowed bool
	// Verdict is "accept", "drop" (rejecting included), "return", "jump", "goto", or empty for one that only counts,
	// logs or the like. Target is the chain of a jump or goto.
	Verdict, Target string
}

// Unconditional reports whether the rule's verdict is for all packets.
func (r SimpleRule) Unconditional() bool {
	return r.In == "" && r.Out == "" && r.UDPPort == 0 && !r.Narrowed
}

// Rules returns the rules of a chain in the calling thread's network namespace, in their order; none where there is no
// such chain.
func Rules(id ID, chain string) ([]SimpleRule, error) {
	family, err := familyNumber(id.Family)
	if err != nil {
		return nil, err
	}
	of, err := encoded(func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_RULE_TABLE, id.Name)
		e.String(unix.NFTA_RULE_CHAIN, chain)
	})
	if err != nil {
		return nil, err
	}
	replies, err := dump(unix.NFT_MSG_GETRULE, family, of)
	if err != nil {
		return nil, fmt.Errorf("list rules of chain %s in nftables table %v: %w", chain, id, err)
	}
	var all []SimpleRule
	for _, m := range replies {
		// Kernels before 5.2 do not narrow down what they dump.
		if r, of, ok := parseRule(m); ok && of == chain && tableOf(m) == id.Name {
			all = append(all, r)
		}
	}
	return all, nil
}

// AddRules puts rules that accept into a chain, before the rule with that handle, or at the end if it is zero. Both nft
// and iptables-nft, of whatever version, list and save them as what they are. All are added or none.
func AddRules(id ID, chain string, before uint64, rules ...SimpleRule) error {
	family, err := familyNumber(id.Family)
	if err != nil {
		return err
	}
	var changes []netlink.Message
	for _, r := range rules {
		attributes, err := encoded(func(e *netlink.AttributeEncoder) { r.write(e, id, chain, before) })
		if err != nil {
			return err
		}
		flags := netlink.Request | netlink.Create
		if before == 0 {
			flags |= netlink.Append
		}
		changes = append(changes, message(unix.NFT_MSG_NEWRULE, family, flags, attributes))
	}
	if err := transact(changes...); err != nil {
		return fmt.Errorf("add rules to chain %s of nftables table %v: %w", chain, id, err)
	}
	return nil
}

// DeleteRules deletes the rules with these handles from a chain, all or none.
func DeleteRules(id ID, chain string, handles ...uint64) error {
	family, err := familyNumber(id.Family)
	if err != nil {
		return err
	}
	var changes []netlink.Message
	for _, handle := range handles {
		attributes, err := encoded(func(e *netlink.AttributeEncoder) {
			e.String(unix.NFTA_RULE_TABLE, id.Name)
			e.String(unix.NFTA_RULE_CHAIN, chain)
			e.Uint64(unix.NFTA_RULE_HANDLE, handle)
		})
		if err != nil {
			return err
		}
		changes = append(changes, message(unix.NFT_MSG_DELRULE, family, netlink.Request, attributes))
	}
	if err := transact(changes...); err != nil {
		return fmt.Errorf("delete rules of chain %s of nftables table %v: %w", chain, id, err)
	}
	return nil
}

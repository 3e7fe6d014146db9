package nft

import (
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// BaseChain is a chain of anybody's table that packets enter from a hook.
type BaseChain struct {
	ID
	// Chain is its name.
	Chain string
	// Type is "filter", "nat" or "route", and Hook "prerouting", "input", "forward", "output" or "postrouting"; empty
	// for the hooks of other families.
	Type, Hook string
	Priority   int32
	// Drops says that its policy is to drop.
	Drops bool
}

// hooks are the IP families' hooks by number (enum nf_inet_hooks of linux/netfilter.h).
var hooks = []string{"prerouting", "input", "forward", "output", "postrouting"}

// BaseChains returns the base chains of all tables in the calling thread's network namespace, in the kernel's order. It
// asks the kernel, not the command: that one reads all rules and fails for those of which it is too old to know.
func BaseChains() ([]BaseChain, error) {
	replies, err := dump(unix.NFT_MSG_GETCHAIN, unix.NFPROTO_UNSPEC, nil)
	if err != nil {
		return nil, fmt.Errorf("list nftables chains: %w", err)
	}
	var all []BaseChain
	for _, m := range replies {
		if c, ok := parseBaseChain(m); ok {
			all = append(all, c)
		}
	}
	return all, nil
}

// parseBaseChain reads the kernel's description of a chain; ok is false for one without a hook.
func parseBaseChain(m netlink.Message) (c BaseChain, ok bool) {
	if len(m.Data) < nfgenmsgSize {
		return BaseChain{}, false
	}
	c.Family = families[m.Data[0]]
	for a := range attributes(m) {
		switch a.Type() {
		case unix.NFTA_CHAIN_TABLE:
			c.Name = a.String()
		case unix.NFTA_CHAIN_NAME:
			c.Chain = a.String()
		case unix.NFTA_CHAIN_TYPE:
			c.Type = a.String()
		case unix.NFTA_CHAIN_POLICY:
			c.Drops = a.Uint32() == verdictDrop
		case unix.NFTA_CHAIN_HOOK:
			ok = true
			a.Nested(c.parseHook)
		}
	}
	return c, ok
}

func (c *BaseChain) parseHook(a *netlink.AttributeDecoder) error {
	a.ByteOrder = binary.BigEndian
	for a.Next() {
		switch a.Type() {
		case unix.NFTA_HOOK_HOOKNUM:
			if n := a.Uint32(); n < uint32(len(hooks)) && c.Family != "netdev" && c.Family != "arp" {
				c.Hook = hooks[n]
			}
		case unix.NFTA_HOOK_PRIORITY:
			c.Priority = a.Int32()
		}
	}
	return a.Err()
}

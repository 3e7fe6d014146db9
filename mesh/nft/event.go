package nft

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// tableEvents finds in the kernel's notifications those transactions that changed one of the tables.
type tableEvents struct {
	// ids are the tables, and touched says which of them the transaction changed whose notifications are coming in.
	ids     []ID
	touched []bool
	// changed is told the table's index and the generation, once for each transaction; zero where notifications were
	// lost.
	changed func(table int, generation uint32)

	// matters is Watch.Others; nil for none. othersTouched says that it did of the transaction that is coming in, and
	// othersChanged is told at its end.
	matters       func(table ID, chain, hook string) bool
	othersTouched bool
	othersChanged func()
}

func newTableEvents(ids []ID, changed func(table int, generation uint32)) *tableEvents {
	return &tableEvents{ids: ids, touched: make([]bool, len(ids)), changed: changed}
}

// nfgenmsgSize is the size of what follows the header of every netfilter message: family, version and res_id (struct
// nfgenmsg of linux/netfilter/nfnetlink.h).
const nfgenmsgSize = 4

// families are the names of nftables' address families by their numbers in netfilter's messages.
var families = map[byte]string{
	unix.NFPROTO_INET: "inet", unix.NFPROTO_BRIDGE: "bridge", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_IPV6: "ip6",
	unix.NFPROTO_ARP: "arp", unix.NFPROTO_NETDEV: "netdev",
}

// add takes the next notification. One of type NEWGEN ends a transaction's.
func (e *tableEvents) add(m netlink.Message) {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || len(m.Data) < nfgenmsgSize {
		return
	}
	if m.Header.Type&0xff == unix.NFT_MSG_NEWGEN {
		e.end(generationOf(m))
		return
	}
	table := ID{Family: families[m.Data[0]], Name: tableOf(m)}
	for i, id := range e.ids {
		e.touched[i] = e.touched[i] || id == table
	}
	if e.matters != nil && !e.othersTouched {
		chain, hook := chainOf(m)
		e.othersTouched = e.matters(table, chain, hook) || isUnreadable(m) && !table.Own()
	}
}

func (e *tableEvents) end(generation uint32) {
	for i, touched := range e.touched {
		if touched {
			e.touched[i] = false
			e.changed(i, generation)
		}
	}
	if e.othersTouched {
		e.othersTouched = false
		e.othersChanged()
	}
}

// lost says that notifications are missing: any table may have changed.
func (e *tableEvents) lost() {
	for i := range e.touched {
		e.touched[i] = true
	}
	e.othersTouched = e.matters != nil
	e.end(0)
}

// tableOf is the table's name: attribute 1 of every object's message, as in NFTA_TABLE_NAME and NFTA_RULE_TABLE.
func tableOf(m netlink.Message) string {
	for a := range attributes(m) {
		if a.Type() == unix.NFTA_TABLE_NAME {
			return a.String()
		}
	}
	return ""
}

// chainOf is the name of the chain that the message is about, of a rule's the one that it is in, and a base chain's
// hook. Newer kernels leave that out when a chain is deleted.
func chainOf(m netlink.Message) (name, hook string) {
	switch m.Header.Type & 0xff {
	case unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_DELCHAIN:
		c, _ := parseBaseChain(m)
		return c.Chain, c.Hook
	case unix.NFT_MSG_NEWRULE, unix.NFT_MSG_DELRULE:
		for a := range attributes(m) {
			if a.Type() == unix.NFTA_RULE_CHAIN {
				return a.String(), ""
			}
		}
	default: // of tables, sets, elements and the like
	}
	return "", ""
}

// generationOf is zero, which is never in use, where the message has none.
func generationOf(m netlink.Message) uint32 {
	for a := range attributes(m) {
		if a.Type() == unix.NFTA_GEN_ID {
			return a.Uint32()
		}
	}
	return 0
}

func attributes(m netlink.Message) func(yield func(*netlink.AttributeDecoder) bool) {
	return func(yield func(*netlink.AttributeDecoder) bool) {
		d, err := netlink.NewAttributeDecoder(m.Data[nfgenmsgSize:])
		if err != nil {
			return
		}
		d.ByteOrder = binary.BigEndian
		for d.Next() && yield(d) {
		}
	}
}

package nft

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// nameSize is what nft and iptables compare of an interface's name, with the zeros behind it.
const nameSize = unix.IFNAMSIZ

// ruleCommentType is that of a comment in a rule's user data, as libnftnl has it (NFTNL_UDATA_RULE_COMMENT).
const ruleCommentType = 0

// write writes a rule that accepts. A port is compared by the match of iptables, "udp": iptables-nft before 1.8.8 does
// not know nft's own comparison, and would list, and save, the rule without it.
func (r SimpleRule) write(e *netlink.AttributeEncoder, id ID, chain string, before uint64) {
	e.String(unix.NFTA_RULE_TABLE, id.Name)
	e.String(unix.NFTA_RULE_CHAIN, chain)
	if before != 0 {
		e.Uint64(unix.NFTA_RULE_POSITION, before)
	}
	comment := append([]byte(r.Comment), 0)
	e.Bytes(unix.NFTA_RULE_USERDATA, append([]byte{ruleCommentType, byte(len(comment))}, comment...))
	if r.UDPPort != 0 {
		e.Nested(unix.NFTA_RULE_COMPAT, func(e *netlink.AttributeEncoder) error {
			e.Uint32(unix.NFTA_RULE_COMPAT_PROTO, unix.IPPROTO_UDP)
			e.Uint32(unix.NFTA_RULE_COMPAT_FLAGS, 0)
			return nil
		})
	}
	e.Nested(unix.NFTA_RULE_EXPRESSIONS, func(e *netlink.AttributeEncoder) error {
		r.writeConditions(e)
		expression(e, "counter", func(*netlink.AttributeEncoder) {})
		expression(e, "immediate", func(e *netlink.AttributeEncoder) {
			e.Uint32(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT)
			nested(e, unix.NFTA_IMMEDIATE_DATA, func(e *netlink.AttributeEncoder) {
				nested(e, unix.NFTA_DATA_VERDICT, func(e *netlink.AttributeEncoder) {
					e.Uint32(unix.NFTA_VERDICT_CODE, verdictAccept)
				})
			})
		})
		return nil
	})
}

func (r SimpleRule) writeConditions(e *netlink.AttributeEncoder) {
	if r.In != "" {
		compare(e, unix.NFT_META_IIFNAME, append([]byte(r.In), make([]byte, nameSize-len(r.In))...))
	}
	if r.Out != "" {
		compare(e, unix.NFT_META_OIFNAME, append([]byte(r.Out), make([]byte, nameSize-len(r.Out))...))
	}
	if r.UDPPort == 0 {
		return
	}
	compare(e, unix.NFT_META_L4PROTO, []byte{unix.IPPROTO_UDP})
	expression(e, "match", func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_MATCH_NAME, "udp")
		e.Uint32(unix.NFTA_MATCH_REV, 0)
		e.Bytes(unix.NFTA_MATCH_INFO, udpMatch(r.UDPPort))
	})
}

// udpMatch is a struct xt_udp (linux/netfilter/xt_tcpudp.h), padded: any source port, and this destination port.
func udpMatch(port uint16) []byte {
	info := make([]byte, 16)
	binary.NativeEndian.PutUint16(info[2:], 0xffff)
	binary.NativeEndian.PutUint16(info[4:], port)
	binary.NativeEndian.PutUint16(info[6:], port)
	return info
}

// compare writes the comparison of a packet's property with a value.
func compare(e *netlink.AttributeEncoder, key uint32, value []byte) {
	expression(e, "meta", func(e *netlink.AttributeEncoder) {
		e.Uint32(unix.NFTA_META_KEY, key)
		e.Uint32(unix.NFTA_META_DREG, unix.NFT_REG_1)
	})
	expression(e, "cmp", func(e *netlink.AttributeEncoder) {
		e.Uint32(unix.NFTA_CMP_SREG, unix.NFT_REG_1)
		e.Uint32(unix.NFTA_CMP_OP, unix.NFT_CMP_EQ)
		nested(e, unix.NFTA_CMP_DATA, func(e *netlink.AttributeEncoder) { e.Bytes(unix.NFTA_DATA_VALUE, value) })
	})
}

func expression(e *netlink.AttributeEncoder, name string, write func(*netlink.AttributeEncoder)) {
	nested(e, unix.NFTA_LIST_ELEM, func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_EXPR_NAME, name)
		nested(e, unix.NFTA_EXPR_DATA, write)
	})
}

func nested(e *netlink.AttributeEncoder, kind uint16, write func(*netlink.AttributeEncoder)) {
	e.Nested(kind, func(e *netlink.AttributeEncoder) error {
		write(e)
		return nil
	})
}

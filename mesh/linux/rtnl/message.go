package rtnl

import (
	"encoding/binary"
	"iter"
	"net/netip"

	attribute "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

// parseRoute decodes an rtmsg.
func parseRoute(data []byte, gone bool) Event {
	msg, all := parseRtMsg(data)
	if msg.Protocol == unix.RTPROT_RA {
		return Event{Kind: AdvertisedEvent, Gone: gone}
	}
	if msg.Protocol != mesh.Protocol {
		return Event{}
	}
	e := Event{Kind: RouteEvent, Gone: gone, Unreachable: msg.Type != unix.RTN_UNICAST}
	e.Route = mesh.Route{Table: uint32(msg.Table), Destination: Default(int(msg.Family))}
	for id, value := range all {
		switch id {
		case unix.RTA_DST:
			e.Route.Destination = prefix(value, msg.Dst_len)
		case unix.RTA_PREFSRC:
			e.Route.Source = ToAddr(value)
		case unix.RTA_PRIORITY:
			e.Route.Metric = number(value)
		case unix.RTA_TABLE:
			e.Route.Table = number(value)
		case unix.RTA_OIF:
			e.Index = int(number(value))
		}
	}
	return e
}

// parseRule decodes a fib_rule_hdr. Its rule's protocol is an attribute.
func parseRule(data []byte, gone bool) Event {
	msg, all := parseRtMsg(data)
	rule := mesh.Rule{IPv6: msg.Family == unix.AF_INET6, Table: uint32(msg.Table)}
	ours := false
	for id, value := range all {
		switch id {
		case nl.FRA_PRIORITY:
			rule.Priority = number(value)
		case nl.FRA_FWMARK:
			rule.Mark = number(value)
		case nl.FRA_FWMASK:
			rule.Mask = number(value)
		case nl.FRA_SRC:
			rule.From = prefix(value, msg.Src_len)
		case nl.FRA_IIFNAME:
			rule.Incoming = unix.ByteSliceToString(value)
		case nl.FRA_TABLE:
			rule.Table = number(value)
		case nl.FRA_PROTOCOL:
			ours = len(value) == 1 && value[0] == mesh.Protocol
		}
	}
	if !ours {
		return Event{}
	}
	return Event{Kind: RuleEvent, Gone: gone, Rule: rule}
}

// parseRtMsg splits a message into its rtmsg and its attributes. A fib_rule_hdr is laid out like an rtmsg. A message
// that is too short has neither protocol nor attributes.
func parseRtMsg(data []byte) (*nl.RtMsg, iter.Seq2[uint16, []byte]) {
	if len(data) < unix.SizeofRtMsg {
		return &nl.RtMsg{}, attributes(nil)
	}
	return nl.DeserializeRtMsg(data), attributes(data[unix.SizeofRtMsg:])
}

// attributes yields type and value of each attribute (rtnetlink(7), struct rtattr), or none where any is malformed. The
// routing library's own parser panics on a last attribute without padding.
func attributes(data []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		d, err := attribute.NewAttributeDecoder(data)
		if err != nil {
			return
		}
		for d.Next() && yield(d.Type(), d.Bytes()) {
		}
	}
}

// number decodes 32 bits in host order. It returns zero for a shorter value.
func number(value []byte) uint32 {
	if len(value) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(value)
}

// prefix returns the zero value for bytes that are no address, or too many bits.
func prefix(value []byte, bits uint8) netip.Prefix {
	a, ok := netip.AddrFromSlice(value)
	if !ok || int(bits) > a.BitLen() {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, int(bits))
}

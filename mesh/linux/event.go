package linux

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	attribute "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

// event is one of the kernel's notifications, as far as it may concern warren.
type event struct {
	kind eventKind
	// gone is whether the thing was removed; else it was added or changed.
	gone bool
	// index is the interface's: of the link, the address or the route.
	index int
	// name, mtu and up are a link's.
	name string
	mtu  int
	up   bool
	// route lacks its Link, and only an unreachable one is nowhere.
	route   mesh.Route
	nowhere bool
	rule    mesh.Rule
}

type eventKind uint8

const (
	irrelevant eventKind = iota
	linkEvent
	addressEvent
	routeEvent
	ruleEvent
)

// groups are the notifications that Watch subscribes to.
var groups = []uint{
	unix.RTNLGRP_LINK,
	unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
	unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
}

// parseEvent reads a message of rtnetlink(7). Of routes and rules, only those of warren's protocol are relevant; what
// cannot be read is not. The netlink package parses routes and links too, but not rules, and each from a subscription of
// its own, which loses the order between them.
func parseEvent(m syscall.NetlinkMessage) event {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return parseLink(m.Data, m.Header.Type == unix.RTM_DELLINK)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return parseAddress(m.Data, m.Header.Type == unix.RTM_DELADDR)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return parseRoute(m.Data, m.Header.Type == unix.RTM_DELROUTE)
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		return parseRule(m.Data, m.Header.Type == unix.RTM_DELRULE)
	}
	return event{}
}

// parseLink reads an ifinfomsg. A bridge also tells of its ports in the family AF_BRIDGE: those are not about the link.
func parseLink(data []byte, gone bool) event {
	if len(data) < unix.SizeofIfInfomsg || data[0] != unix.AF_UNSPEC {
		return event{}
	}
	msg := nl.DeserializeIfInfomsg(data)
	e := event{kind: linkEvent, gone: gone, index: int(msg.Index), up: msg.Flags&unix.IFF_UP != 0}
	for id, value := range attributesOf(data[unix.SizeofIfInfomsg:]) {
		switch id {
		case unix.IFLA_IFNAME:
			e.name = unix.ByteSliceToString(value)
		case unix.IFLA_MTU:
			e.mtu = int(number(value))
		}
	}
	return e
}

// parseAddress reads no more of an ifaddrmsg than whose address has changed: all of the interface's are compared then.
func parseAddress(data []byte, gone bool) event {
	if len(data) < unix.SizeofIfAddrmsg {
		return event{}
	}
	return event{kind: addressEvent, gone: gone, index: int(nl.DeserializeIfAddrmsg(data).Index)}
}

// parseRoute reads an rtmsg.
func parseRoute(data []byte, gone bool) event {
	if len(data) < unix.SizeofRtMsg {
		return event{}
	}
	msg := nl.DeserializeRtMsg(data)
	if msg.Protocol != mesh.Protocol {
		return event{}
	}
	e := event{kind: routeEvent, gone: gone, nowhere: msg.Type != unix.RTN_UNICAST}
	e.route.Table = uint32(msg.Table)
	e.route.Destination = anywhere(msg.Family)
	for id, value := range attributesOf(data[unix.SizeofRtMsg:]) {
		switch id {
		case unix.RTA_DST:
			e.route.Destination = prefix(value, msg.Dst_len)
		case unix.RTA_PREFSRC:
			e.route.Source = toAddr(value)
		case unix.RTA_PRIORITY:
			e.route.Metric = number(value)
		case unix.RTA_TABLE:
			e.route.Table = number(value)
		case unix.RTA_OIF:
			e.index = int(number(value))
		}
	}
	return e
}

// parseRule reads a fib_rule_hdr, which is laid out like an rtmsg.
func parseRule(data []byte, gone bool) event {
	if len(data) < unix.SizeofRtMsg {
		return event{}
	}
	msg := nl.DeserializeRtMsg(data)
	e := event{kind: ruleEvent, gone: gone, rule: mesh.Rule{IPv6: msg.Family == unix.AF_INET6, Table: uint32(msg.Table)}}
	ours := false
	for id, value := range attributesOf(data[unix.SizeofRtMsg:]) {
		switch id {
		case nl.FRA_PRIORITY:
			e.rule.Priority = number(value)
		case nl.FRA_FWMARK:
			e.rule.Mark = number(value)
		case nl.FRA_FWMASK:
			e.rule.Mask = number(value)
		case nl.FRA_SRC:
			e.rule.From = prefix(value, msg.Src_len)
		case nl.FRA_IIFNAME:
			e.rule.Incoming = unix.ByteSliceToString(value)
		case nl.FRA_TABLE:
			e.rule.Table = number(value)
		case nl.FRA_PROTOCOL:
			ours = len(value) == 1 && value[0] == mesh.Protocol
		}
	}
	if !ours {
		return event{}
	}
	return e
}

// attributesOf yields type and value of each attribute (rtnetlink(7), struct rtattr); none where any is malformed. The
// routing library's own parser panics on a last attribute without padding.
func attributesOf(data []byte) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		d, err := attribute.NewAttributeDecoder(data)
		if err != nil {
			return
		}
		for d.Next() && yield(d.Type(), d.Bytes()) {
		}
	}
}

// number is zero for a value that is not of 32 bits.
func number(value []byte) uint32 {
	if len(value) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(value)
}

// prefix is the zero value for what is none.
func prefix(value []byte, bits uint8) netip.Prefix {
	a, ok := netip.AddrFromSlice(value)
	if !ok || int(bits) > a.BitLen() {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, int(bits))
}

// anywhere is the destination of a default route, which has no RTA_DST.
func anywhere(family uint8) netip.Prefix {
	if family == unix.AF_INET6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

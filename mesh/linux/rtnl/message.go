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

// parseRoute decodes an rtmsg. Somebody else's route may be in a table of warren's own, or where warren has or wants
// its own.
func parseRoute(data []byte, gone bool) Event {
	msg, all := parseRtMsg(data)
	switch msg.Protocol {
	case unix.RTPROT_RA:
		return Event{Kind: AdvertisedEvent, Gone: gone}
	case unix.RTPROT_UNSPEC:
		return Event{}
	}
	e := Event{Kind: RouteEvent, Gone: gone, Unreachable: msg.Type != unix.RTN_UNICAST}
	e.Route = mesh.Route{Table: uint32(msg.Table), Destination: Default(int(msg.Family)), TOS: msg.Tos}
	if msg.Protocol != mesh.Protocol {
		e.Route.Foreign = msg.Protocol
	}
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

// parseRtMsg splits a message into its rtmsg and its attributes. A message that is too short has
// neither protocol nor attributes.
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

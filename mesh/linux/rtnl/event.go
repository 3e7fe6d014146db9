package rtnl

import (
	"slices"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

// Event is one of the kernel's notifications, as far as it may concern warren.
type Event struct {
	Kind Kind
	// Gone reports whether the object was removed; else it was added or changed.
	Gone bool
	// Index is the interface's: of the link, the address, the route or the sysctl. A sysctl for all interfaces has
	// AllInterfaces.
	Index int
	// Name, MAC, MTU (in bytes) and Up are a link's. MAC is zero for one that is not Ethernet's.
	Name string
	MAC  [6]byte
	MTU  int
	Up   bool
	// Master is the Index of the bridge that the link is a port of, or of another interface above it; zero for none.
	Master int
	// Outward reports whether a link is of a kind that leads out of a host: hardware, a bond, a team or a VLAN.
	Outward bool
	// Route lacks its Link. Unreachable reports whether it has none: IPv6's unreachable routes have an Index all the
	// same.
	Route       mesh.Route
	Unreachable bool
}

// Kind is what an Event is about.
type Kind uint8

// The kinds of Event. The zero value is for notifications that do not concern warren.
const (
	Irrelevant Kind = iota
	LinkEvent
	AddressEvent
	RouteEvent
	// RuleEvent is about anybody's rule, and does not say which: where warren's have to stand depends on all of them.
	RuleEvent
	// AdvertisedEvent is about a route that a router advertisement gave.
	AdvertisedEvent
	// SysctlEvent is about some parameters of an interface, forwarding and rp_filter among them. The kernel announces
	// neither src_valid_mark nor accept_ra nor disable_ipv6.
	SysctlEvent
)

// Of linux/netconf.h.
const (
	netconfIndex = 1 // NETCONFA_IFINDEX
	// AllInterfaces is NETCONFA_IFINDEX_ALL, the index of what is set below conf/all.
	AllInterfaces = -1
)

// sizeofNetconf is the size of a netconfmsg, one byte, with its padding.
const sizeofNetconf = unix.NLMSG_ALIGNTO

// parseEvent decodes a message of rtnetlink(7). What cannot be decoded is Irrelevant.
//
// The netlink package decodes routes and links too, but each from a subscription of its own, which loses the order
// between them.
func parseEvent(m syscall.NetlinkMessage) Event {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return parseLink(m.Data, m.Header.Type == unix.RTM_DELLINK)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return parseAddress(m.Data, m.Header.Type == unix.RTM_DELADDR)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return parseRoute(m.Data, m.Header.Type == unix.RTM_DELROUTE)
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		return Event{Kind: RuleEvent, Gone: m.Header.Type == unix.RTM_DELRULE}
	case unix.RTM_NEWNETCONF:
		return parseNetconf(m.Data)
	}
	return Event{}
}

// parseLink decodes an ifinfomsg. A bridge also reports its ports, in the family AF_BRIDGE: those are not about the
// link.
func parseLink(data []byte, gone bool) Event {
	if len(data) < unix.SizeofIfInfomsg || data[0] != unix.AF_UNSPEC {
		return Event{}
	}
	msg := nl.DeserializeIfInfomsg(data)
	e := Event{Kind: LinkEvent, Gone: gone, Index: int(msg.Index), Up: msg.Flags&unix.IFF_UP != 0}
	linkType := Hardware
	for id, value := range attributes(data[unix.SizeofIfInfomsg:]) {
		switch id {
		case unix.IFLA_IFNAME:
			e.Name = unix.ByteSliceToString(value)
		case unix.IFLA_ADDRESS:
			if len(value) == len(e.MAC) {
				e.MAC = [6]byte(value)
			}
		case unix.IFLA_MTU:
			e.MTU = int(number(value))
		case unix.IFLA_MASTER:
			e.Master = int(number(value))
		case unix.IFLA_LINKINFO:
			linkType = kindOf(value)
		}
	}
	e.Outward = Outward(linkType) && msg.Flags&unix.IFF_LOOPBACK == 0
	return e
}

// Hardware is the type of an interface that has none (IFLA_INFO_KIND), as the routing library calls it.
const Hardware = "device"

// Outward reports whether interfaces of the type lead out of a host.
func Outward(linkType string) bool {
	return slices.Contains([]string{Hardware, "bond", "team", "vlan"}, linkType)
}

// kindOf returns the type in a link's IFLA_LINKINFO.
func kindOf(info []byte) string {
	for id, value := range attributes(info) {
		if id == unix.IFLA_INFO_KIND {
			return unix.ByteSliceToString(value)
		}
	}
	return ""
}

// parseAddress decodes only which interface's address an ifaddrmsg is about: who compares reads all of them.
func parseAddress(data []byte, gone bool) Event {
	if len(data) < unix.SizeofIfAddrmsg {
		return Event{}
	}
	return Event{Kind: AddressEvent, Gone: gone, Index: int(nl.DeserializeIfAddrmsg(data).Index)}
}

// parseNetconf decodes only which interface's parameters a netconfmsg is about: who compares reads all of them.
func parseNetconf(data []byte) Event {
	if len(data) < sizeofNetconf {
		return Event{}
	}
	for id, value := range attributes(data[sizeofNetconf:]) {
		if id == netconfIndex {
			return Event{Kind: SysctlEvent, Index: int(int32(number(value)))}
		}
	}
	return Event{}
}

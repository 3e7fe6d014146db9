package nfttest

import (
	"net/netip"
	"slices"
)

// Packet is a virtual packet, and what the kernel would know when it comes.
type Packet struct {
	// In is the interface that it comes in on; empty for this host's own packets.
	In string
	// FirstIn is the interface that its first fragment comes in on, where the packet comes in two fragments, and the
	// last one comes in on In. Empty for a packet that comes whole.
	FirstIn string
	// Out is the interface that it goes out on; empty for packets to this host.
	Out string
	// From and To are its addresses and ports before any translation.
	From, To netip.AddrPort
	// Protocol is "udp", "tcp", "sctp", "icmp" or "ipv6-icmp".
	Protocol string
	// ICMPType is the message's type in nft's words, where rules ask for it: "nd-neighbor-solicit".
	ICMPType string
	// HopLimit is IPv6's, as the rules see it: the kernel counts a hop before the hook forward. Zero is 64.
	HopLimit uint8
	// Mark is the packet mark.
	Mark uint32
	// Conntrack is what connection tracking knows.
	Conntrack Conntrack
}

// Conntrack is what connection tracking knows of a packet's connection. The zero value is a new connection.
type Conntrack struct {
	// ID identifies the connection; sets that rules fill have it in their keys.
	ID int
	// State is New, Established, Related, Invalid or Untracked.
	State State
	// Reply says that the packet goes against the direction of the connection's first packet.
	Reply bool
	// Mark is the connection's mark.
	Mark uint32
	// Destination is where others' rules translate the connection's destination to; invalid where they do not. In
	// packets in the original direction it takes the place of To, in prerouting and output, unless a rule of the layout
	// has settled the destination before.
	Destination netip.AddrPort
	// Source takes the place of From in postrouting; invalid where others' rules translate nothing. In replies of a
	// connection with a translated destination it is that destination as the client knows it.
	Source netip.AddrPort
	// DNAT says of a reply that its connection's destination is translated. In the original direction Destination does.
	DNAT bool
}

// State is connection tracking's verdict on a packet, in nft's words.
type State string

// The states. Packets that are invalid or untracked belong to no connection.
const (
	New         State = "" // nft's "new"
	Established State = "established"
	Related     State = "related"
	Invalid     State = "invalid"
	Untracked   State = "untracked"
)

func (c Conntrack) connection() bool { return c.State != Invalid && c.State != Untracked }

func (c Conntrack) dnat() bool { return c.DNAT || c.Destination.IsValid() }

// Host is what the kernel would look up.
type Host struct {
	// Local are the host's addresses, which fib calls local.
	Local []netip.Addr
	// Masquerade are the addresses that masquerade gives, by the outgoing interface.
	Masquerade map[string][]netip.Addr
}

func (h Host) local(ip netip.Addr) bool { return slices.Contains(h.Local, ip) }

// masquerade returns the interface's address of ip's family; invalid where there is none.
func (h Host) masquerade(out string, ip netip.Addr) netip.Addr {
	for _, a := range h.Masquerade[out] {
		if a.Is4() == ip.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

package walls

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Forget deletes what conntrack has about connections of these addresses, from them, to them or translated to them. The
// next pod of an address gets no connection of the last one, and a host port no datagrams for a pod that is gone, which
// the plugin portmap leaves behind. It reads the whole of conntrack's table, once for each address family.
func (w *Walls) Forget(addrs []netip.Addr) error {
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		of := slices.DeleteFunc(slices.Clone(addrs), func(ip netip.Addr) bool {
			return ip.Is4() != (family == unix.AF_INET)
		})
		if len(of) == 0 {
			continue
		}
		if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, ends(of)); err != nil {
			return fmt.Errorf("delete connections of %v from conntrack: %w", of, err)
		}
	}
	return nil
}

// ends matches connections that have one of the addresses at either end.
type ends []netip.Addr

var _ netlink.CustomConntrackFilter = ends(nil)

// MatchConntrackFlow reports whether the connection is to be deleted.
func (e ends) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	for _, tuple := range []netlink.IPTuple{f.Forward, f.Reverse} {
		for _, ip := range [][]byte{tuple.SrcIP, tuple.DstIP} {
			if addr, ok := netip.AddrFromSlice(ip); ok && slices.Contains(e, addr.Unmap()) {
				return true
			}
		}
	}
	return false
}

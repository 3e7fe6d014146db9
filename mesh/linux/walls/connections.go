package walls

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Forget deletes what conntrack has about connections of these addresses, from them, to them or translated to them. The
// next pod of an address gets no connection of the last one, and a host port no datagrams for a pod that is gone, which
// the plugin portmap leaves behind. It reads the whole of conntrack's table, and keeps only what it deletes.
func (w *Walls) Forget(addrs []netip.Addr) error {
	entries, err := entriesOf(addrs)
	var failed error // The last one speaks for all: they are as many as the connections.
	for _, entry := range entries {
		// An entry's message names its family, and the kernel finds it by the attributes.
		request := conntrack(nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK, entry[0])
		request.AddRawData(entry[nl.SizeofNfgenmsg:])
		if _, err := request.Execute(unix.NETLINK_NETFILTER, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = err
		}
	}
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("delete connections of %v from conntrack: %w", addrs, err)
	}
	return nil
}

// conntrack returns a request about connections of a family; unix.AF_UNSPEC is both.
func conntrack(operation, flags int, family uint8) *nl.NetlinkRequest {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|operation, flags)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	return request
}

// entriesOf returns the messages about entries that have one of the addresses at either end. The library's
// ConntrackDeleteFilters holds the whole table meanwhile, about 500 bytes for each of what may be a million entries.
func entriesOf(addrs []netip.Addr) (found [][]byte, err error) {
	request := conntrack(nl.IPCTNL_MSG_CT_GET, unix.NLM_F_DUMP, unix.AF_UNSPEC)
	err = request.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(entry []byte) (more bool) {
		if slices.ContainsFunc(ends(entry), func(ip netip.Addr) bool { return slices.Contains(addrs, ip) }) {
			found = append(found, bytes.Clone(entry))
		}
		return true
	})
	return found, err
}

// ends returns the addresses of an entry: source and destination of both directions.
func ends(entry []byte) (all []netip.Addr) {
	for _, tuple := range children(entry[nl.SizeofNfgenmsg:], nl.CTA_TUPLE_ORIG, nl.CTA_TUPLE_REPLY) {
		for _, ip := range children(tuple, nl.CTA_TUPLE_IP) {
			for _, raw := range children(ip, nl.CTA_IP_V4_SRC, nl.CTA_IP_V4_DST, nl.CTA_IP_V6_SRC, nl.CTA_IP_V6_DST) {
				if addr, ok := netip.AddrFromSlice(raw); ok {
					all = append(all, addr)
				}
			}
		}
	}
	return all
}

// children returns the values of those attributes that have one of the types. The kernel writes no malformed ones.
func children(attributes []byte, types ...uint16) (values [][]byte) {
	all, _ := nl.ParseRouteAttr(attributes)
	for _, a := range all {
		if slices.Contains(types, a.Attr.Type&^unix.NLA_F_NESTED) {
			values = append(values, a.Value)
		}
	}
	return values
}

package rtnl

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

// A dump that a concurrent change interrupts may lack entries or hold them twice. The netlink package reports that as
// an error that is easily overlooked; this file retries such dumps. No other file calls a List function of netlink's; a
// test checks that.

// dumpAttempts is how often an interrupted dump is made before giving up.
const dumpAttempts = 10

// Families are the address families of routes and rules.
var Families = []int{unix.AF_INET, unix.AF_INET6}

// Routes lists the routes in one table, of one family (unix.AF_INET or unix.AF_INET6): all of them where the table is
// warren's own, else those with mesh.Protocol.
func (c *Conn) Routes(family, table int) ([]netlink.Route, error) {
	filter, mask := &netlink.Route{Table: table}, netlink.RT_FILTER_TABLE
	if !mesh.OwnTable(uint32(table)) {
		filter.Protocol, mask = mesh.Protocol, mask|netlink.RT_FILTER_PROTOCOL
	}
	return dump("routes", func() ([]netlink.Route, error) { return c.strict.RouteListFiltered(family, filter, mask) })
}

// Rules lists all policy rules of one family, in the order in which the kernel asks them.
func (c *Conn) Rules(family int) ([]netlink.Rule, error) {
	return dump("policy rules", func() ([]netlink.Rule, error) { return c.Handle.RuleList(family) })
}

// Addresses lists the link's addresses of both families, or those of every link where link is nil.
func (c *Conn) Addresses(link netlink.Link) ([]netlink.Addr, error) {
	return dump("addresses", func() ([]netlink.Addr, error) { return c.Handle.AddrList(link, unix.AF_UNSPEC) })
}

// Links lists all interfaces.
func (c *Conn) Links() ([]netlink.Link, error) { return dump("interfaces", c.Handle.LinkList) }

// AdvertisedRoutes lists the IPv6 routes of all tables that router advertisements gave (RTPROT_RA), to the kernel or to
// a network manager.
func (c *Conn) AdvertisedRoutes() ([]netlink.Route, error) {
	filter := &netlink.Route{Table: unix.RT_TABLE_UNSPEC, Protocol: unix.RTPROT_RA}
	return dump("routes of router advertisements", func() ([]netlink.Route, error) {
		const mask = netlink.RT_FILTER_TABLE | netlink.RT_FILTER_PROTOCOL
		return c.strict.RouteListFiltered(unix.AF_INET6, filter, mask)
	})
}

// dump lists until a list is whole. A table or an address family that the kernel does not have is empty.
func dump[T any](what string, list func() ([]T, error)) (all []T, err error) {
	for range dumpAttempts {
		all, err = list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	switch {
	case err == nil:
		return all, nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return nil, nil
	}
	return nil, fmt.Errorf("list %s: %w", what, err)
}

package linux

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
)

// dumps reads whole tables from the kernel. A dump that a concurrent change interrupts may lack entries or hold them
// twice: it is an error of netlink's, easily overlooked, and here it is retried. No other file calls a List function of
// netlink's; a test sees to it.
type dumps struct {
	plain *netlink.Handle
	// strict has the kernel filter routes by table and protocol (NETLINK_GET_STRICT_CHK), so that a host with a full
	// Internet table in main is not read in full. It is a handle of its own because netlink.RuleList's request is not
	// strictly well-formed.
	strict *netlink.Handle
}

// dumpAttempts is how often an interrupted dump is made before giving up.
const dumpAttempts = 10

func newDumps() (dumps, error) {
	plain, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return dumps{}, fmt.Errorf("open a routing socket: %w", err)
	}
	strict, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		plain.Close()
		return dumps{}, fmt.Errorf("open a routing socket: %w", err)
	}
	// Before Linux 4.20 there is no such option: then the library filters what it gets.
	_ = strict.SetStrictCheck(true)
	return dumps{plain: plain, strict: strict}, nil
}

func (d dumps) close() {
	for _, handle := range []*netlink.Handle{d.plain, d.strict} {
		if handle != nil {
			handle.Close()
		}
	}
}

// routes are warren's routes in the table, of one family (unix.AF_INET or AF_INET6).
func (d dumps) routes(family, table int) ([]netlink.Route, error) {
	filter := &netlink.Route{Table: table, Protocol: mesh.Protocol}
	return dump("routes", func() ([]netlink.Route, error) {
		return d.strict.RouteListFiltered(family, filter, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
	})
}

// rules are all policy rules of one family.
func (d dumps) rules(family int) ([]netlink.Rule, error) {
	return dump("policy rules", func() ([]netlink.Rule, error) { return d.plain.RuleList(family) })
}

// addresses are those of the link, of both families; of every link where it is nil.
func (d dumps) addresses(link netlink.Link) ([]netlink.Addr, error) {
	return dump("addresses", func() ([]netlink.Addr, error) { return d.plain.AddrList(link, unix.AF_UNSPEC) })
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

package rtnl

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoLink is for what needs an interface that does not exist.
var ErrNoLink = errors.New("no such interface")

// Conn talks to the kernel about the network namespace of the thread that called Open.
type Conn struct {
	// Handle is for writes and for looking up one object. Lists are Conn's: see the file dumps.go.
	Handle *netlink.Handle
	// strict has the kernel filter routes by table and protocol (NETLINK_GET_STRICT_CHK), so that a host with a full
	// Internet table in main is not read in full. It is a handle of its own because netlink.RuleList's request is not
	// strictly well-formed.
	strict *netlink.Handle
}

// Open opens the sockets; Close releases them.
func Open() (*Conn, error) {
	plain, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a routing socket: %w", err)
	}
	strict, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		plain.Close()
		return nil, fmt.Errorf("open a routing socket: %w", err)
	}
	// Before Linux 4.20 there is no such option: then the library filters what it gets.
	_ = strict.SetStrictCheck(true)
	return &Conn{Handle: plain, strict: strict}, nil
}

// Close releases the sockets; a nil Conn has none.
func (c *Conn) Close() {
	if c == nil {
		return
	}
	c.Handle.Close()
	c.strict.Close()
}

// Find returns the interface of that name, or nil where there is none.
func (c *Conn) Find(name string) (netlink.Link, error) {
	link, err := c.Handle.LinkByName(name)
	if _, absent := errors.AsType[netlink.LinkNotFoundError](err); absent {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up interface %s: %w", name, err)
	}
	return link, nil
}

// FindIndex returns the interface of that index, or nil where there is none.
func (c *Conn) FindIndex(index int) (netlink.Link, error) {
	link, err := c.Handle.LinkByIndex(index)
	if _, absent := errors.AsType[netlink.LinkNotFoundError](err); absent {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up interface %d: %w", index, err)
	}
	return link, nil
}

// Anonymous names an interface of which only the index is known. It is no valid name, so it never equals one.
func Anonymous(index int) string { return fmt.Sprintf("index/%d", index) }

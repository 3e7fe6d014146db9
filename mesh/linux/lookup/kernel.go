package lookup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
	"warren.mesh/mesh/guard"
	"warren.mesh/mesh/linux/routing"
	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/nft"
)

// Kernel is the network namespace of the thread that called Open.
type Kernel struct{ conn *rtnl.Conn }

// Open opens the sockets; Close releases them.
func Open() (Kernel, error) {
	conn, err := rtnl.Open()
	return Kernel{conn}, err
}

// Close releases the sockets.
func (k Kernel) Close() { k.conn.Close() }

// Query is a packet that is looked up in the routing tables.
type Query struct {
	From, To netip.Addr
	// Incoming is the interface that it comes in by; empty for a packet of the host's own.
	Incoming string
	// Mark is its packet mark.
	Mark uint32
}

// Answer is where the kernel would send a packet.
type Answer struct {
	// Link is the outgoing interface, and Table the routing table that decided.
	Link  string
	Table uint32
	// Unreachable says that the packet is dropped, and Reason the kernel's word for why.
	Unreachable bool
	Reason      string
	// MTU is the path's in bytes, where a router has said one that is less than the interface's; else zero.
	MTU int
}

// refusals are what the kernel answers where it would drop the packet: there is no route, or one of a type that drops,
// or the source is none for that interface.
var refusals = []error{
	unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EACCES, unix.EINVAL, unix.EXDEV, unix.ESRCH,
}

// Route asks the kernel where it would send a packet: with source, incoming interface and mark, as it looks up every
// packet.
func (k Kernel) Route(q Query) (Answer, error) {
	options := &netlink.RouteGetOptions{Mark: q.Mark}
	if q.From.IsValid() {
		options.SrcAddr = q.From.AsSlice()
	}
	if q.Incoming != "" {
		link, err := k.find(q.Incoming)
		if err != nil {
			return Answer{}, err
		}
		options.IifIndex = link.Attrs().Index
	}
	routes, err := k.conn.Handle.RouteGetWithOptions(q.To.AsSlice(), options)
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			return Answer{Unreachable: true, Reason: reason(refusal)}, nil
		}
	}
	if err != nil || len(routes) == 0 {
		return Answer{}, fmt.Errorf("look up the route from %v to %v: %w", q.From, q.To, err)
	}
	route := routes[0]
	answer := Answer{Table: uint32(route.Table), MTU: route.MTU, Unreachable: drops(route.Type)}
	if answer.Unreachable {
		answer.Reason = "the route is of a type that drops"
	}
	link, err := k.conn.FindIndex(route.LinkIndex)
	if err == nil && link != nil {
		answer.Link = link.Attrs().Name
	}
	return answer, err
}

// reason returns the kernel's word for a refusal, but where it has none for what it means.
func reason(refusal error) string {
	if errors.Is(refusal, unix.EINVAL) || errors.Is(refusal, unix.EXDEV) {
		return "the source has no way back by the interface that it comes in by"
	}
	return refusal.Error()
}

func drops(kind int) bool {
	return kind == unix.RTN_UNREACHABLE || kind == unix.RTN_BLACKHOLE || kind == unix.RTN_PROHIBIT
}

// PathMTU returns the MTU in bytes of the way to an address: that of the outgoing interface, or less if a router has
// said so.
func (k Kernel) PathMTU(to netip.Addr) (int, error) {
	answer, err := k.Route(Query{To: to})
	switch {
	case err != nil:
		return 0, err
	case answer.Unreachable:
		return 0, fmt.Errorf("find the path MTU to %v: %s", to, answer.Reason)
	case answer.MTU > 0:
		return answer.MTU, nil
	}
	return k.MTU(answer.Link)
}

// MTU returns an interface's MTU in bytes. The error wraps fs.ErrNotExist where there is none of that name.
func (k Kernel) MTU(name string) (int, error) {
	link, err := k.find(name)
	if err != nil {
		return 0, err
	}
	return link.Attrs().MTU, nil
}

func (k Kernel) find(name string) (netlink.Link, error) {
	link, err := k.conn.Find(name)
	if err == nil && link == nil {
		err = fmt.Errorf("interface %s: %w", name, fs.ErrNotExist)
	}
	return link, err
}

// Port is an interface as a port of a bridge.
type Port struct {
	// Bridge is the bridge's name; empty where the interface is in none.
	Bridge string
	// Up says that the interface and its other end are up.
	Up bool
}

// Port returns how an interface stands as a port. The error wraps fs.ErrNotExist where there is none of that name.
func (k Kernel) Port(name string) (p Port, err error) {
	link, err := k.find(name)
	if err != nil {
		return p, err
	}
	attrs := link.Attrs()
	p.Up = attrs.Flags&net.FlagUp != 0 && attrs.OperState != netlink.OperDown &&
		attrs.OperState != netlink.OperLowerLayerDown
	if attrs.MasterIndex == 0 {
		return p, nil
	}
	bridge, err := k.conn.FindIndex(attrs.MasterIndex)
	if err == nil && bridge != nil {
		p.Bridge = bridge.Attrs().Name
	}
	return p, err
}

// Rules returns warren's policy rules, those of one family in the order in which the kernel asks them.
func (k Kernel) Rules() ([]mesh.Rule, error) { return routing.Rules{Conn: k.conn}.Observe() }

// Routes returns warren's routes and those of others in warren's tables, in no order.
func (k Kernel) Routes() ([]mesh.Route, error) {
	keep := func(netlink.Link) bool { return false }
	return routing.Routes{Conn: k.conn, Replaceable: keep}.Observe()
}

// Addresses returns the addresses of an interface.
func (k Kernel) Addresses(name string) (all []netip.Prefix, err error) {
	link, err := k.find(name)
	if err != nil {
		return nil, err
	}
	addrs, err := k.conn.Addresses(link)
	for _, a := range addrs {
		all = append(all, rtnl.ToPrefix(a.IPNet))
	}
	return all, err
}

// Guard returns what the guard's table was made of; the zero value where it is not as warren makes it. There says
// whether there is a table of that name at all.
func Guard(ctx context.Context) (f mesh.Firewall, there bool, err error) {
	table, err := nft.Open(guard.Table, func() {})
	if err != nil {
		return f, false, err
	}
	if there, err = table.Exists(); err != nil || !there {
		return f, there, err
	}
	listing, err := table.List(ctx)
	return guard.Parse(listing), true, err
}

// There says whether there is an nftables table.
func There(id nft.ID) (bool, error) {
	table, err := nft.Open(id, func() {})
	if err != nil {
		return false, err
	}
	return table.Exists()
}

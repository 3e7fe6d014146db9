package walls

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	rtnetlink "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh/linux/rtnl"
	"warren.mesh/mesh/ports"
)

// targetNetnsID asks for a network namespace by the number that the own one knows it by (IFA_TARGET_NETNSID of
// linux/if_addr.h); unix.IFLA_TARGET_NETNSID is the same for interfaces.
const targetNetnsID = 10

// Bridge returns the bridge as it is, with all of its ports; its name alone while there is none.
func (w *Walls) Bridge() (ports.Bridge, error) {
	b := ports.Bridge{Name: w.bridge}
	conn, err := rtnl.Open()
	if err != nil {
		return b, err
	}
	defer conn.Close()
	bridge, all, err := w.links(conn)
	if err != nil || bridge == nil {
		return b, err
	}
	copy(b.MAC[:], bridge.Attrs().HardwareAddr)
	for _, port := range all {
		b.Ports = append(b.Ports, port.Attrs().Name)
	}
	return b, nil
}

// links returns the bridge, nil where there is none, and its ports.
func (w *Walls) links(conn *rtnl.Conn) (bridge netlink.Link, ports []netlink.Link, err error) {
	bridge, err = conn.Find(w.bridge)
	if err != nil || bridge == nil {
		return nil, nil, err
	}
	all, err := conn.Links()
	return bridge, slices.DeleteFunc(all, func(link netlink.Link) bool {
		return link.Attrs().MasterIndex != bridge.Attrs().Index
	}), err
}

// FoundPorts returns the veth interfaces that are ports of the bridge, in any order, each with the hardware address and
// all global addresses that its other end has in the pod's network namespace. A pod that may change its addresses may
// have added some that are not its own: the caller takes only those that the API server knows. A port whose other end
// the kernel does not tell is left out.
func (w *Walls) FoundPorts() ([]ports.Port, error) {
	conn, err := rtnl.Open()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_, links, err := w.links(conn)
	if err != nil {
		return nil, err
	}
	peers, err := rtnetlink.Dial(unix.NETLINK_ROUTE, &rtnetlink.Config{Strict: true})
	if err != nil {
		return nil, fmt.Errorf("open a routing socket: %w", err)
	}
	defer func() { _ = peers.Close() }()
	var all []ports.Port
	for _, link := range links {
		a := link.Attrs()
		if link.Type() != "veth" || a.NetNsID < 0 {
			continue
		}
		peer := peer{conn: peers, namespace: int32(a.NetNsID), index: int32(a.ParentIndex)}
		p := ports.Port{Interface: a.Name}
		if p.MAC, err = peer.mac(); err == nil {
			p.Addrs, err = peer.addrs()
		}
		switch {
		case errors.Is(err, unix.ENODEV), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENONET):
			continue // the pod is going
		case err != nil:
			return nil, fmt.Errorf("read the other end of port %s of bridge %s: %w", a.Name, w.bridge, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// peer is the end of a veth pair in another network namespace.
type peer struct {
	conn             *rtnetlink.Conn
	namespace, index int32
}

func (p peer) mac() (mac [6]byte, err error) {
	header := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(header[4:], uint32(p.index))
	replies, err := p.ask(unix.RTM_GETLINK, 0, header, unix.IFLA_TARGET_NETNSID)
	for _, m := range replies {
		for kind, value := range after(m, unix.SizeofIfInfomsg) {
			if kind == unix.IFLA_ADDRESS {
				copy(mac[:], value)
			}
		}
	}
	return mac, err
}

func (p peer) addrs() (all []netip.Addr, err error) {
	header := make([]byte, unix.SizeofIfAddrmsg)
	binary.NativeEndian.PutUint32(header[4:], uint32(p.index))
	replies, err := p.ask(unix.RTM_GETADDR, rtnetlink.Dump, header, targetNetnsID)
	for _, m := range replies {
		if len(m.Data) < unix.SizeofIfAddrmsg || m.Data[3] != unix.RT_SCOPE_UNIVERSE {
			continue
		}
		attributes := after(m, unix.SizeofIfAddrmsg)
		value := attributes[unix.IFA_LOCAL] // of IPv4, where the other one may be a peer's
		if value == nil {
			value = attributes[unix.IFA_ADDRESS]
		}
		if ip, ok := netip.AddrFromSlice(value); ok {
			all = append(all, ip)
		}
	}
	return all, err
}

// ask sends a request about the interface in its namespace.
func (p peer) ask(kind int, flags rtnetlink.HeaderFlags, header []byte, namespace uint16) ([]rtnetlink.Message, error) {
	e := rtnetlink.NewAttributeEncoder()
	e.Int32(namespace, p.namespace)
	attributes, err := e.Encode()
	if err != nil {
		return nil, err
	}
	return p.conn.Execute(rtnetlink.Message{
		Header: rtnetlink.Header{Type: rtnetlink.HeaderType(kind), Flags: rtnetlink.Request | flags},
		Data:   append(header, attributes...),
	})
}

// after returns the attributes behind a message's header, by kind.
func after(m rtnetlink.Message, header int) map[uint16][]byte {
	all := map[uint16][]byte{}
	if len(m.Data) < header {
		return all
	}
	d, err := rtnetlink.NewAttributeDecoder(m.Data[header:])
	if err != nil {
		return all
	}
	for d.Next() {
		all[d.Type()] = d.Bytes()
	}
	return all
}

package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/test/lab/namespace"
)

// bridgeName is the underlay's bridge in the control machine; its ports are called like the nodes.
const bridgeName = "underlay"

// routerMAC is the bridge's, which is the nodes' router: locally administered, chosen. A bridge without one takes the
// lowest of its ports' addresses, another one when a node joins, and nodes go on sending to the old one until their
// neighbour entry expires.
var routerMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0xfe}

// nicName is the underlay interface of every machine but the control one.
const nicName = "eth0"

// quiet keeps IPv6 from doing things by itself: no duplicate address detection to wait for, no router advertisements.
var quiet = map[string]string{
	"net/ipv6/conf/all/accept_dad": "0", "net/ipv6/conf/default/accept_dad": "0",
	"net/ipv6/conf/all/accept_ra": "0", "net/ipv6/conf/default/accept_ra": "0",
}

// makeUnderlay makes the bridge and the way out.
func (l *Lab) makeUnderlay() error {
	return l.control.Set.Do(func() error {
		if err := sysctls(quiet, map[string]string{"net/ipv4/ip_forward": "1",
			"net/ipv6/conf/all/forwarding": "1"}); err != nil {
			return err
		}
		return l.makeBridge(bridgeName, pick(l.options.Family, controlIPs))
	})
}

// makeBridge makes one in the control machine, with its addresses.
func (l *Lab) makeBridge(name string, addrs []netip.Addr) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU, attributes.HardwareAddr = name, l.options.MTU, routerMAC
	// Without a querier, snooping would forget groups, and IPv6 neighbour discovery with them.
	snooping := false
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attributes, MulticastSnooping: &snooping}); err != nil {
		return fmt.Errorf("make bridge %s: %w", name, err)
	}
	return addressed(name, addrs)
}

// plug is a cable from a machine to the underlay or to the router.
type plug struct {
	// port is its end in the control machine.
	port string
	// bridge is the bridge that port is a port of; empty: port gets the router's addresses.
	bridge string
	to     *namespace.Set
	addrs  []netip.Addr
	// via are the machine's default routers.
	via []netip.Addr
}

func (l *Lab) connect(p plug) error {
	if err := l.control.Set.Do(func() error { return l.cable(p) }); err != nil {
		return fmt.Errorf("connect %s: %w", p.port, err)
	}
	err := p.to.Do(func() error {
		if err := addressed(nicName, p.addrs); err != nil {
			return err
		}
		return defaultRoutes(p.via)
	})
	if err != nil {
		return fmt.Errorf("connect %s: %w", p.port, err)
	}
	return nil
}

func (l *Lab) cable(p plug) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = p.port, l.options.MTU
	veth := &netlink.Veth{LinkAttrs: attributes, PeerName: nicName, PeerNamespace: netlink.NsFd(p.to.Net().Fd())}
	if err := netlink.LinkAdd(veth); err != nil {
		return err
	}
	if p.bridge == "" {
		return addressed(p.port, pick(l.options.Family, routerIPs))
	}
	if err := l.attachAll(p.port); err != nil {
		return err
	}
	bridge, err := netlink.LinkByName(p.bridge)
	if err != nil {
		return err
	}
	return errors.Join(netlink.LinkSetMaster(veth, bridge), netlink.LinkSetUp(veth))
}

// addressed gives an interface its addresses and brings it up.
func addressed(name string, addrs []netip.Addr) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find interface %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring %s up: %w", name, err)
	}
	for _, addr := range addrs {
		if err := addAddr(link, addr); err != nil {
			return err
		}
	}
	return nil
}

func addAddr(link netlink.Link, addr netip.Addr) error {
	a, err := onLink(addr)
	if err != nil {
		return err
	}
	if err := netlink.AddrReplace(link, a); err != nil {
		return fmt.Errorf("add address %v to %s: %w", addr, link.Attrs().Name, err)
	}
	return nil
}

func onLink(addr netip.Addr) (*netlink.Addr, error) {
	prefix, err := within(addr)
	if err != nil {
		return nil, err
	}
	a := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(prefix.Bits(), addr.BitLen())}}
	if addr.Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a, nil
}

func defaultRoutes(via []netip.Addr) error {
	for _, router := range via {
		everything := &net.IPNet{IP: make(net.IP, router.BitLen()/8), Mask: net.CIDRMask(0, router.BitLen())}
		if err := netlink.RouteReplace(&netlink.Route{Dst: everything, Gw: router.AsSlice()}); err != nil {
			return fmt.Errorf("add a default route via %v: %w", router, err)
		}
	}
	return nil
}

// sysctls writes kernel parameters of the thread's network namespace.
func sysctls(sets ...map[string]string) error {
	for _, set := range sets {
		for name, value := range set {
			if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644); err != nil {
				return fmt.Errorf("set %s: %w", strings.ReplaceAll(name, "/", "."), err)
			}
		}
	}
	return nil
}

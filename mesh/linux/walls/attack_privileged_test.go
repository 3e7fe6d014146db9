package walls

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/test/lab/packet"
)

func isErrno(err error, want unix.Errno) bool { return errors.Is(err, want) }

// wire sends and receives whole frames on an interface.
type wire struct {
	t    *testing.T
	fd   int
	name string
}

func (n *node) wire(where, name string) *wire {
	n.t.Helper()
	w := &wire{t: n.t, name: where}
	err := n.ns[where].Do(func() error {
		all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
		if err != nil {
			return err
		}
		w.fd = fd
		n.t.Cleanup(func() { _ = unix.Close(fd) })
		index, err := indexOf(name)
		if err != nil {
			return err
		}
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 3}); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return w
}

func indexOf(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	r, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, r); err != nil {
		return 0, err
	}
	return int(r.Uint32()), nil
}

func (w *wire) send(frame []byte) {
	w.t.Helper()
	if _, err := unix.Write(w.fd, frame); err != nil {
		w.t.Fatalf("send: %v", err)
	}
}

// until returns the frames that came in before the one that is told by is.
func (w *wire) until(is func([]byte) bool) (all [][]byte) {
	w.t.Helper()
	for {
		buffer := make([]byte, 2000)
		size, from, err := unix.Recvfrom(w.fd, buffer, 0)
		if err != nil {
			w.t.Fatalf("%s: what was sent afterwards did not come: %v", w.name, err)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if is(buffer[:size]) {
			return all
		}
		all = append(all, buffer[:size])
	}
}

var broadcast = [6]byte{255, 255, 255, 255, 255, 255}

// ether is a frame, filled up to the least size.
func ether(to, from [6]byte, kind uint16, payload ...byte) []byte {
	frame := slices.Concat(to[:], from[:], binary.BigEndian.AppendUint16(nil, kind), payload)
	return append(frame, make([]byte, max(0, 60-len(frame)))...)
}

// arp is a request (1) or an answer (2).
func arp(to, from [6]byte, operation byte, senderMAC [6]byte, sender, target netip.Addr) []byte {
	return ether(to, from, packet.EtherARP, slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, operation}, senderMAC[:],
		sender.AsSlice(), make([]byte, 6), target.AsSlice())...)
}

func ipv4(protocol byte, from, to netip.Addr, payload ...byte) []byte {
	h := []byte{0x45, 0, 0, byte(20 + len(payload)), 0, 1, 0, 0, 64, protocol, 0, 0}
	h = slices.Concat(h, from.AsSlice(), to.AsSlice())
	sum := uint32(0)
	for i := 0; i < len(h); i += 2 {
		sum += uint32(h[i])<<8 | uint32(h[i+1])
	}
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum&0xffff+sum>>16))
	return append(h, payload...)
}

func ipv6(protocol byte, from, to netip.Addr, payload ...byte) []byte {
	h := []byte{0x60, 0, 0, 0, 0, byte(len(payload)), protocol, 255}
	return slices.Concat(h, from.AsSlice(), to.AsSlice(), payload)
}

// icmpv6 is a message with its checksum.
func icmpv6(from, to netip.Addr, kind byte, body ...byte) []byte {
	m := append([]byte{kind, 0, 0, 0}, body...)
	sum := uint32(len(m)) + packet.ICMPv6
	for _, part := range [][]byte{from.AsSlice(), to.AsSlice(), m} {
		for i := 0; i+1 < len(part); i += 2 {
			sum += uint32(part[i])<<8 | uint32(part[i+1])
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(m[2:], ^uint16(sum))
	return ipv6(packet.ICMPv6, from, to, m...)
}

func udp(from, to uint16, payload string) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

// option is a neighbour discovery option with a hardware address.
func option(kind byte, mac [6]byte) []byte { return append([]byte{kind, 1}, mac[:]...) }

type attack struct {
	what  string
	frame []byte
	// node says that this host may get it: it is in the pod's own name.
	node bool
}

// attacks are what a pod with NET_RAW may try on its neighbours.
func attacks(from, victim, other pod) []attack {
	d, c, a := from.mac(), victim.mac(), other.mac()
	allNodes, link := addr("ff02::1"), addr("fe80::ff:fe00:105")
	multi6 := [6]byte{0x33, 0x33, 0, 0, 0, 1}
	own4 := ipv4(packet.UDP, from.v4(), victim.v4(), udp(1, 2, "forged")...)
	asA4 := ipv4(packet.UDP, other.v4(), victim.v4(), udp(1, 2, "forged")...)
	asA6 := ipv6(packet.UDP, other.v6(), victim.v6(), udp(1, 2, "forged")...)
	na := func(source, target netip.Addr, options ...byte) []byte {
		return icmpv6(source, victim.v6(), 136, slices.Concat([]byte{0x60, 0, 0, 0}, target.AsSlice(), options)...)
	}
	ns := func(source, target netip.Addr, options ...byte) []byte {
		return icmpv6(source, victim.v6(), 135, slices.Concat(make([]byte, 4), target.AsSlice(), options)...)
	}
	v6 := func(payload []byte) []byte { return ether(c, d, packet.EtherIPv6, payload...) }
	tag := func(kind uint16, id byte, inner uint16, payload []byte) []byte {
		return ether(c, d, kind, slices.Concat([]byte{0, id}, binary.BigEndian.AppendUint16(nil, inner), payload)...)
	}
	return []attack{
		{what: "another's IPv4 address, to the neighbour", frame: ether(c, d, packet.EtherIPv4, asA4...)},
		{what: "another's IPv4 address, to the gateway", frame: ether(bridgeMAC, d, packet.EtherIPv4, asA4...)},
		{what: "another's IPv4 address, to all", frame: ether(broadcast, d, packet.EtherIPv4, asA4...)},
		{what: "another's IPv6 address, to the neighbour", frame: v6(asA6)},
		{what: "another's IPv6 address, to the gateway", frame: ether(bridgeMAC, d, packet.EtherIPv6, asA6...)},
		{what: "another's MAC", frame: ether(c, a, packet.EtherIPv4, own4...)},
		{what: "another's MAC and address", frame: ether(c, a, packet.EtherIPv4, asA4...)},
		{what: "the gateway's MAC", frame: ether(c, bridgeMAC, packet.EtherIPv4, asA4...)},
		{what: "its own address, past IP", frame: ether(c, d, packet.EtherIPv4, own4...), node: true},

		{what: "ARP answer for another", frame: arp(c, d, 2, d, other.v4(), victim.v4())},
		{what: "ARP answer for the gateway", frame: arp(c, d, 2, d, gateway4, victim.v4())},
		{what: "ARP request in another's name", frame: arp(broadcast, d, 1, d, other.v4(), victim.v4())},
		{what: "gratuitous ARP for another", frame: arp(broadcast, d, 2, d, other.v4(), other.v4())},
		{what: "ARP for itself with another's MAC", frame: arp(c, d, 2, a, from.v4(), victim.v4())},
		{what: "ARP probe with another's MAC", frame: arp(broadcast, d, 1, a, addr("0.0.0.0"), victim.v4())},
		{what: "ARP of other lengths", frame: ether(c, d, packet.EtherARP, slices.Concat([]byte{0, 1, 8, 0, 8, 4, 0, 2},
			d[:], from.v4().AsSlice(), d[:], other.v4().AsSlice())...)},

		{what: "advertises another's address", frame: v6(na(from.v6(), other.v6(), option(2, d)...))},
		{what: "advertises the gateway's address", frame: v6(na(from.v6(), gateway6, option(2, d)...))},
		{what: "advertises another's from a link-local address", frame: v6(na(link, other.v6(), option(2, d)...))},
		{
			what:  "advertises another's link-local address",
			frame: v6(na(link, addr("fe80::1"), option(2, d)...)), node: true,
		},
		{what: "advertises its own with another's MAC", frame: v6(na(from.v6(), from.v6(), option(2, a)...))},
		{what: "solicits with another's MAC", frame: v6(ns(from.v6(), victim.v6(), option(1, a)...))},
		{
			what:  "solicits with a second option",
			frame: v6(ns(from.v6(), victim.v6(), slices.Concat([]byte{14, 1, 0, 0, 0, 0, 0, 0}, option(1, a))...)),
		},
		{what: "solicits in another's name", frame: v6(ns(other.v6(), victim.v6(), option(1, d)...))},
		{
			what: "advertises in a fragment",
			frame: v6(ipv6(44, from.v6(), victim.v6(), slices.Concat([]byte{58, 0, 0, 1, 0, 0, 0, 9},
				na(from.v6(), other.v6(), option(2, d)...)[40:])...)),
		},
		{
			what: "advertises behind another header",
			frame: v6(ipv6(60, from.v6(), victim.v6(), slices.Concat([]byte{58, 0, 1, 4, 0, 0, 0, 0},
				na(from.v6(), other.v6())[40:])...)),
		},
		{what: "router advertisement", frame: ether(multi6, d, packet.EtherIPv6,
			icmpv6(link, allNodes, 134, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0)...)},
		{what: "router advertisement from its own address", frame: v6(icmpv6(from.v6(), victim.v6(), 134,
			64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0))},
		{what: "redirect", frame: v6(icmpv6(link, victim.v6(), 137, make([]byte, 36)...))},
		{what: "query for groups", frame: ether(multi6, d, packet.EtherIPv6,
			icmpv6(link, allNodes, 130, make([]byte, 20)...)...)},
		{what: "query for IPv4 groups", frame: ether([6]byte{1, 0, 0x5e, 0, 0, 1}, d, packet.EtherIPv4,
			ipv4(2, from.v4(), addr("224.0.0.1"), 0x11, 100, 0xee, 0x9b, 0, 0, 0, 0)...)},

		{what: "DHCP offer", frame: ether(broadcast, d, packet.EtherIPv4,
			ipv4(packet.UDP, from.v4(), addr("255.255.255.255"), udp(67, 68, "forged")...)...), node: true},
		{what: "DHCP offer from nobody", frame: ether(broadcast, d, packet.EtherIPv4,
			ipv4(packet.UDP, addr("0.0.0.0"), addr("255.255.255.255"), udp(67, 68, "forged")...)...)},
		{what: "multicast", frame: ether([6]byte{1, 0, 0x5e, 0, 0, 0xfb}, d, packet.EtherIPv4,
			ipv4(packet.UDP, from.v4(), addr("224.0.0.251"), udp(1, 2, "own")...)...), node: true},
		{what: "IPv6 multicast", frame: ether(multi6, d, packet.EtherIPv6,
			ipv6(packet.UDP, link, allNodes, udp(1, 2, "own")...)...), node: true},
		{what: "link-local to the neighbour", frame: v6(ipv6(packet.UDP, link, addr("fe80::2"), udp(1, 2, "own")...)),
			node: true},

		{what: "a VLAN's frame", frame: tag(0x8100, 5, packet.EtherIPv4, own4)},
		{what: "VLAN 0's frame", frame: tag(0x8100, 0, packet.EtherIPv4, own4)},
		{what: "a provider's VLAN", frame: tag(0x88a8, 5, packet.EtherIPv4, own4)},
		{
			what:  "ARP in a VLAN",
			frame: tag(0x8100, 5, packet.EtherARP, arp(c, d, 2, d, other.v4(), victim.v4())[14:42]),
		},
		{what: "solicits in a VLAN", frame: tag(0x8100, 5, packet.EtherIPv6, ns(from.v6(), victim.v6()))},
		{what: "a VLAN in a VLAN", frame: tag(0x88a8, 5, 0x8100, slices.Concat([]byte{0, 6, 8, 0}, own4))},
		{what: "a protocol of its own", frame: ether(c, d, 0x88b5, []byte("forged")...)},
		{what: "802.3", frame: ether(c, d, 46, make([]byte, 46)...)},
		{what: "spanning tree", frame: ether([6]byte{1, 0x80, 0xc2, 0, 0, 0}, d, 38, make([]byte, 38)...)},
	}
}

// learnt returns what the bridge has learnt behind a pod's port that is not the pod's.
func (n *node) learnt(p pod) (all []string) {
	n.t.Helper()
	mac := net.HardwareAddr(macSlice(p)).String()
	shown := n.ns["node"].Command(n.t, "bridge", "fdb", "show", "brport", p.veth(), "dynamic")
	for line := range strings.Lines(shown) {
		if !strings.HasPrefix(line, mac) {
			all = append(all, line)
		}
	}
	return all
}

// TestPrivilegedAttacks has a pod send whatever it likes. Neither neighbours nor this host get anything in another's
// name, and neighbours nothing past IP.
func TestPrivilegedAttacks(t *testing.T) {
	for name, netfilter := range map[string]bool{"br_netfilter off": false, "br_netfilter on": true} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, netfilter, podA, podC, podD)
			n.know(podA, podC, podD)
			n.sync()
			from := n.wire("d", "eth0")
			receivers := []*wire{n.wire("c", "eth0"), n.wire("a", "eth0"), n.wire("node", bridge)}
			for i, a := range attacks(podD, podC, podA) {
				number := netip.AddrFrom4([4]byte{10, 244, 1, byte(100 + i)})
				sentinel := arp(broadcast, podD.mac(), 1, podD.mac(), podD.v4(), number)
				from.send(a.frame)
				from.send(sentinel)
				for _, to := range receivers {
					came := to.until(func(f []byte) bool { return slices.Equal(f[:len(sentinel)], sentinel) })
					for _, f := range came {
						if a.forged(f, podD) && !(a.node && to.name == "node") {
							t.Errorf("%s: %s got %x", a.what, to.name, f)
						}
					}
				}
				if learnt := n.learnt(podD); len(learnt) > 0 {
					t.Errorf("%s: the bridge learns %v", a.what, learnt)
				}
			}
		})
	}
}

// solicitsRouters reports whether a frame is of ICMPv6 (58) and of type 133 (RFC 4861, section 4.1).
func solicitsRouters(frame []byte) bool {
	const icmp = 14 + 40
	return len(frame) > icmp && [2]byte(frame[12:14]) == [2]byte{0x86, 0xdd} && frame[20] == 58 && frame[icmp] == 133
}

// forged reports whether a frame is the attack's, or is the attacker's and no ARP in its own name. Reports about
// groups, which follow a hop-by-hop header, and router solicitations are its kernel's.
func (a attack) forged(frame []byte, attacker pod) bool {
	const headers = 14 + 20 // what changes where the frame goes through IP
	switch {
	case len(frame) < headers:
		return true
	case slices.Equal(frame[14:headers], a.frame[14:headers]):
		return true
	case [6]byte(frame[6:12]) != attacker.mac(), frame[12] == 0x86 && frame[20] == 0, solicitsRouters(frame):
		return false
	}
	own := arp([6]byte(frame), attacker.mac(), frame[21], attacker.mac(), attacker.v4(), attacker.v4())
	return !slices.Equal(own[:32], frame[:32])
}

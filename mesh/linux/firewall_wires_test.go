package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"sigs.k8s.io/knftables"
)

// wires is a node in the middle of three other namespaces: a pod behind the bridge; the underlay, with another node and an
// address of the outside; and, behind a veth pair that stands in for the WireGuard link, a pod and the address of a
// third node. The other node on the underlay has the remote pod's address as well, to send from. Everything comes in
// both families.
type wires struct {
	node, pod, underlay, mesh netns
	*firewall
	// onUnderlay and inMesh see what leaves the node.
	onUnderlay, inMesh capture
}

// family is the addresses of one address family.
type family struct {
	name, udp, tcp string
	// pod, gateway and node are this node's; spoofed is on the pod, and no pod's; secondary is on the node.
	pod, spoofed, gateway, node, secondary netip.Addr
	// otherNode and outside are on the underlay, unlisted too, but in no set of nodes.
	otherNode, outside, unlisted netip.Addr
	// remotePod and thirdNode are in the mesh; lostPod is of a node that has no route.
	remotePod, thirdNode, lostPod netip.Addr
}

func families() []family {
	ip := netip.MustParseAddr
	return []family{
		{"IPv4", "udp4", "ip4:tcp",
			ip("10.244.1.2"), ip("10.244.9.9"), ip("10.244.1.1"), ip("172.31.9.1"), ip("203.0.113.5"),
			ip("172.31.9.2"), ip("198.51.100.1"), ip("172.31.9.77"),
			ip("10.244.2.2"), ip("172.31.9.3"), ip("10.244.7.7")},
		{"IPv6", "udp6", "ip6:tcp",
			ip("fd00:10:244:1::2"), ip("fd00:10:244:9::9"), ip("fd00:10:244:1::1"), ip("fd00:9::1"), ip("2001:db8:5::5"),
			ip("fd00:9::2"), ip("2001:db8::1"), ip("fd00:9::77"),
			ip("fd00:10:244:2::2"), ip("fd00:9::3"), ip("fd00:10:244:7::7")},
	}
}

// path names a namespace to ip(8).
func (n netns) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(n)) }

// quiet turns off what would delay or add packets: duplicate address detection and strict reverse path checks.
const quiet = `
sysctl -qw net.ipv6.conf.all.accept_dad=0
sysctl -qw net.ipv6.conf.default.accept_dad=0
sysctl -qw net.ipv4.conf.all.rp_filter=0
sysctl -qw net.ipv4.conf.default.rp_filter=0
sysctl -qw net.ipv4.ip_forward=1
sysctl -qw net.ipv6.conf.all.forwarding=1
ip link set lo up
`

func newWires(t *testing.T) *wires {
	t.Helper()
	w := &wires{}
	for _, n := range []*netns{&w.pod, &w.underlay, &w.mesh, &w.node} {
		*n = newNetns(t)
		run(t, quiet)
	}
	w.node.run(t, `
ip link add eth0 type veth peer name eth0 netns %s
ip link add warren0 type veth peer name far0 netns %s
ip link add warren-br0 type bridge
ip link add veth0 type veth peer name eth0 netns %s
ip link set veth0 master warren-br0
ip addr add 172.31.9.1/24 dev eth0
ip addr add fd00:9::1/64 dev eth0 nodad
ip addr add 203.0.113.5/32 dev lo
ip addr add 2001:db8:5::5/128 dev lo nodad
ip addr add 10.244.1.1/32 dev warren0
ip addr add fd00:10:244:1::1/128 dev warren0 nodad
ip addr add 10.244.1.1/24 dev warren-br0
ip addr add fd00:10:244:1::1/64 dev warren-br0 nodad
ip link set eth0 up
ip link set warren0 up
ip link set veth0 up
ip link set warren-br0 up
`, w.underlay.path(), w.mesh.path(), w.pod.path())
	w.pod.run(t, `
ip addr add 10.244.1.2/24 dev eth0
ip addr add 10.244.9.9/32 dev eth0
ip addr add fd00:10:244:1::2/64 dev eth0 nodad
ip addr add fd00:10:244:9::9/128 dev eth0 nodad
ip link set eth0 up
ip route add default via 10.244.1.1
ip route add default via fd00:10:244:1::1
`)
	w.underlay.run(t, `
ip addr add 172.31.9.2/24 dev eth0
ip addr add 172.31.9.77/24 dev eth0
ip addr add fd00:9::2/64 dev eth0 nodad
ip addr add fd00:9::77/64 dev eth0 nodad
ip addr add 198.51.100.1/32 dev lo
ip addr add 2001:db8::1/128 dev lo nodad
ip addr add 10.244.2.2/32 dev lo
ip addr add fd00:10:244:2::2/128 dev lo nodad
ip link set eth0 up
`)
	w.mesh.run(t, `
ip addr add 10.244.2.2/32 dev far0
ip addr add fd00:10:244:2::2/128 dev far0 nodad
ip addr add 172.31.9.3/32 dev far0
ip addr add fd00:9::3/128 dev far0 nodad
ip link set far0 up
ip route add 10.244.1.1 dev far0
ip route add fd00:10:244:1::1 dev far0
ip route add default via 10.244.1.1 src 10.244.2.2
ip route add default via fd00:10:244:1::1 src fd00:10:244:2::2
`)
	w.node.run(t, `
ip route add 10.244.2.0/24 dev warren0 src 10.244.1.1
ip route add fd00:10:244:2::/64 dev warren0 src fd00:10:244:1::1
ip route add default via 172.31.9.2
ip route add default via fd00:9::2
`)
	w.onUnderlay, w.inMesh = w.underlay.capture(t, "eth0"), w.mesh.capture(t, "far0")
	for _, f := range families() { // neighbours get to know each other, before anything is counted
		w.settle(t, f)
		w.onUnderlay.until(t, f.name)
		w.inMesh.until(t, f.name)
	}
	w.node.enter(t)
	nft, err := knftables.New(firewallFamily, firewallTable)
	if err != nil {
		t.Fatal(err)
	}
	w.firewall = newFirewall(nft, noCount)
	return w
}

// patience is how long a packet that must come may take.
const patience = 10 * time.Second

// udp is a socket of the namespace; port 0 takes any.
func (n netns) udp(t *testing.T, ip netip.Addr, port uint16) *net.UDPConn {
	t.Helper()
	n.enter(t)
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// send sends one packet from a socket of the namespace.
func (n netns) send(t *testing.T, from netip.Addr, port uint16, to netip.Addr, toPort uint16) {
	t.Helper()
	conn := n.udp(t, from, port)
	defer conn.Close()
	write(t, conn, netip.AddrPortFrom(to, toPort))
}

// write sends one packet. A drop on the way out of a local socket is EPERM, which is what some cases are about.
func write(t *testing.T, conn *net.UDPConn, to netip.AddrPort) {
	t.Helper()
	if _, err := conn.WriteToUDPAddrPort([]byte("warren"), to); err != nil && !isEPERM(err) {
		t.Fatalf("send to %v: %v", to, err)
	}
}

func receive(t *testing.T, conn *net.UDPConn) (from netip.AddrPort) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, from, err := conn.ReadFromUDPAddrPort(make([]byte, 64))
	if err != nil {
		t.Fatalf("receive on %v: %v", conn.LocalAddr(), err)
	}
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// capture is a packet socket that sees what comes in on an interface.
type capture int

func (n netns) capture(t *testing.T, link string) capture {
	t.Helper()
	n.enter(t)
	all := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	i, err := net.InterfaceByName(link)
	if err != nil {
		t.Fatal(err)
	}
	limit := unix.NsecToTimeval(int64(patience))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(all), Ifindex: i.Index}); err != nil {
		t.Fatal(err)
	}
	return capture(fd)
}

// until returns the packets that came before the one to port 9 (discard), which ends it, as texts. Neighbour discovery
// and the like is left out.
func (c capture) until(t *testing.T, what string) []string {
	t.Helper()
	var seen []string
	buffer := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(int(c), buffer, 0)
		if errors.Is(err, unix.EINTR) { // Go's preemption
			continue
		}
		if err != nil {
			t.Fatalf("%s: the last packet did not come; before it %q: %v", what, seen, err)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		p, ok := parsePacket(buffer[:n])
		switch {
		case ok && p.protocol == unix.IPPROTO_UDP && p.to.Port() == 9:
			return seen
		case ok:
			seen = append(seen, p.String())
		}
	}
}

type packet struct {
	protocol byte
	from, to netip.AddrPort
}

func (p packet) String() string { return fmt.Sprintf("%d %v > %v", p.protocol, p.from, p.to) }

// parsePacket reads an IP packet that carries UDP or TCP; both begin with their ports. ok is false for all others.
func parsePacket(b []byte) (p packet, ok bool) {
	var from, to netip.Addr
	var payload []byte
	switch {
	case len(b) >= 24 && b[0]>>4 == 4:
		p.protocol, payload = b[9], b[20:]
		from, to = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	case len(b) >= 44 && b[0]>>4 == 6:
		p.protocol, payload = b[6], b[40:]
		from, to = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	}
	if !slices.Contains([]byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP}, p.protocol) {
		return packet{}, false
	}
	p.from = netip.AddrPortFrom(from, binary.BigEndian.Uint16(payload))
	p.to = netip.AddrPortFrom(to, binary.BigEndian.Uint16(payload[2:]))
	return p, true
}

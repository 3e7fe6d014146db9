package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a packet that must come may take.
const patience = 10 * time.Second

// udp is a socket of the namespace; port 0 takes any.
func (n place) udp(t *testing.T, ip netip.Addr, port uint16) *net.UDPConn {
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
func (n place) send(t *testing.T, from netip.Addr, port uint16, to netip.Addr, toPort uint16) {
	t.Helper()
	conn := n.udp(t, from, port)
	defer conn.Close()
	write(t, conn, netip.AddrPortFrom(to, toPort))
}

// write sends one packet. A drop on the way out of a local socket is EPERM, which is what some cases are about.
func write(t *testing.T, conn *net.UDPConn, to netip.AddrPort) {
	t.Helper()
	if _, err := conn.WriteToUDPAddrPort([]byte("warren"), to); err != nil && !errors.Is(err, unix.EPERM) {
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

// discover is an IPv4 packet without a source: 0.0.0.0:68 > 255.255.255.255:67, UDP with no content and no checksum.
var discover = []byte{
	0x45, 0, 0, 28, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0x7a, 0xd2, 0, 0, 0, 0, 255, 255, 255, 255,
	0, 68, 0, 67, 0, 8, 0, 0,
}

// broadcast sends an IPv4 packet as it is, to all on the link.
func (n place) broadcast(t *testing.T, link string, packet []byte) {
	t.Helper()
	n.enter(t)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	i, err := net.InterfaceByName(link)
	if err != nil {
		t.Fatal(err)
	}
	to := &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_IP), Ifindex: i.Index, Halen: 6, Addr: [8]byte{255, 255, 255, 255, 255, 255}}
	if err := unix.Sendto(fd, packet, 0, to); err != nil {
		t.Fatal(err)
	}
}

// bigEndian is the number as packet sockets take protocols.
func bigEndian(n uint16) uint16 {
	return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, n))
}

// capture is a packet socket that sees what comes in on an interface.
type capture int

func (n place) capture(t *testing.T, link string) capture {
	t.Helper()
	n.enter(t)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(bigEndian(unix.ETH_P_ALL)))
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
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: i.Index}); err != nil {
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

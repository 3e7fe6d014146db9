package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/packet"
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
func (n place) broadcast(t *testing.T, link string, content []byte) {
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
	to := &unix.SockaddrLinklayer{
		Protocol: bigEndian(unix.ETH_P_IP), Ifindex: i.Index, Halen: 6, Addr: [8]byte{255, 255, 255, 255, 255, 255},
	}
	if err := unix.Sendto(fd, content, 0, to); err != nil {
		t.Fatal(err)
	}
}

// bigEndian is the number as packet sockets take protocols.
func bigEndian(n uint16) uint16 {
	return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, n))
}

// inbound receives the packets that come in on an interface.
type inbound chan packet.Header

// capture captures until the test ends.
func (n place) capture(t *testing.T, link string) inbound {
	t.Helper()
	n.enter(t)
	in := make(inbound)
	tap, err := capture.OpenTap(link, func(frame []byte) {
		h := packet.Decode(frame)
		h.Payload = nil // the tap's memory
		select {
		case in <- h:
		case <-t.Context().Done():
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if missed := tap.Close(); missed > 0 {
			t.Errorf("the capture missed %d packets: it proves nothing", missed)
		}
	})
	return in
}

// until returns the packets that came before the one to port 9 (discard), which ends it, as texts. Neighbour discovery
// and the like is left out.
func (in inbound) until(t *testing.T, what string) []string {
	t.Helper()
	var seen []string
	late := time.After(patience)
	for {
		select {
		case h := <-in:
			switch {
			case h.Protocol == packet.UDP && h.DestinationPort == 9:
				return seen
			case h.Protocol == packet.UDP || h.Protocol == packet.TCP:
				seen = append(seen, fmt.Sprintf("%d %v > %v", h.Protocol, h.From(), h.To()))
			}
		case <-late:
			t.Fatalf("%s: the last packet did not come; before it %q", what, seen)
		}
	}
}

package handshake

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// discard is the port that the datagrams go to (RFC 863): nobody answers with more than an ICMP error, and that in the
// tunnel.
const discard = 9

// sender has a socket of each address family that the host has.
type sender struct{ v4, v6 net.PacketConn }

// newSender binds the sockets to the WireGuard interface. By the routing table alone the datagrams could leave through
// another interface while a route is missing.
func newSender(link string) (*sender, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var bound error
		err := c.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), link) })
		return errors.Join(err, bound)
	}}
	var s sender
	var err4, err6 error
	s.v4, err4 = config.ListenPacket(context.Background(), "udp4", ":0")
	s.v6, err6 = config.ListenPacket(context.Background(), "udp6", ":0")
	if err4 != nil && err6 != nil {
		return nil, errors.Join(err4, err6)
	}
	return &s, nil
}

// send sends one byte to the gateway, if the host has its address family.
func (s *sender) send(gateway netip.Addr) {
	conn := s.v4
	if gateway.Is6() {
		conn = s.v6
	}
	if conn != nil {
		_, _ = conn.WriteTo([]byte{0}, net.UDPAddrFromAddrPort(netip.AddrPortFrom(gateway, discard)))
	}
}

func (s *sender) close() {
	for _, conn := range []net.PacketConn{s.v4, s.v6} {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// Package echo opens the sockets by which daemons ask each other for an echo inside the mesh. It owns what makes an
// answer proof: a socket is bound to the mesh's interface, and its datagrams are never cut into fragments. It knows
// neither what they say nor who is answered.
package echo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Socket is a UDP socket at one address, bound to one interface.
type Socket struct {
	conn  *net.UDPConn
	link  string
	index int
}

// Open opens a socket at an address of the interface. It is bound to the interface as it is now: one that is made anew
// under the same name is another one, and the socket is Stale then.
func Open(link string, at netip.AddrPort) (*Socket, error) {
	i, err := net.InterfaceByName(link)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", link, err)
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var set error
		err := c.Control(func(fd uintptr) { set = prepare(int(fd), link, at.Addr().Is4()) })
		return errors.Join(err, set)
	}}
	network := "udp6"
	if at.Addr().Is4() {
		network = "udp4"
	}
	conn, err := config.ListenPacket(context.Background(), network, at.String())
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("%w: stop what uses the port", err)
	}
	if err != nil {
		return nil, err
	}
	return &Socket{conn.(*net.UDPConn), link, i.Index}, nil
}

// prepare binds the socket to the interface and has it never fragment. PMTUDISC_PROBE sets DF, and goes by the MTU of
// the interface alone: what the kernel has learned of a path, or was told by somebody, must not keep a probe from being
// sent (ip(7), ipv6(7)).
func prepare(fd int, link string, v4 bool) error {
	if err := unix.BindToDevice(fd, link); err != nil {
		return fmt.Errorf("bind to %s: %w", link, err)
	}
	if v4 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1))
}

// Send sends a datagram. One that is larger than the interface's MTU is an error, EMSGSIZE.
func (s *Socket) Send(message []byte, to netip.AddrPort) error {
	_, err := s.conn.WriteToUDPAddrPort(message, to)
	return err
}

// Receive waits for a datagram, and returns an error when the socket is closed.
func (s *Socket) Receive(buffer []byte) (n int, from netip.AddrPort, err error) {
	n, from, err = s.conn.ReadFromUDPAddrPort(buffer)
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
}

// Stale reports whether the interface is another one than when the socket was opened, or none.
func (s *Socket) Stale() bool {
	i, err := net.InterfaceByName(s.link)
	return err != nil || i.Index != s.index
}

// Close closes the socket. A Receive under way returns.
func (s *Socket) Close() error { return s.conn.Close() }

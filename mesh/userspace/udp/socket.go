package udp

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// message is one element of sendmmsg and recvmmsg. x/net has one type for both families.
type message = ipv6.Message

var _ message = ipv4.Message{}

// batcher is *ipv4.PacketConn or *ipv6.PacketConn.
type batcher interface {
	ReadBatch(msgs []message, flags int) (int, error)
	WriteBatch(msgs []message, flags int) (int, error)
}

var (
	_ batcher = (*ipv4.PacketConn)(nil)
	_ batcher = (*ipv6.PacketConn)(nil)
)

// socket is a UDP socket of one address family.
type socket struct {
	batcher
	conn *net.UDPConn
	port uint16
	// maxPayload is the largest payload that one sendmsg takes, in bytes, before it is cut.
	maxPayload int
	// segments says whether the kernel can cut one long payload into many datagrams.
	segments atomic.Bool
}

// The largest payloads that the length fields of the IP headers allow (RFC 791, RFC 8200). IPv6's does not count its
// own header.
const (
	maxPayloadIPv4 = 1<<16 - 1 - 20 - 8
	maxPayloadIPv6 = 1<<16 - 1 - 8
)

// listen opens a socket on all addresses of one family: network is udp4 or udp6. The error wraps EAFNOSUPPORT where the
// host lacks the family and EADDRINUSE where the port is taken.
func listen(network string, port uint16) (*socket, error) {
	lc := net.ListenConfig{Control: setOptions}
	packets, err := lc.ListenPacket(context.Background(), network, ":"+strconv.Itoa(int(port)))
	if err != nil {
		return nil, err
	}
	s := newSocket(network, packets.(*net.UDPConn))
	if err := s.offload(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func newSocket(network string, c *net.UDPConn) *socket {
	s := &socket{conn: c, port: c.LocalAddr().(*net.UDPAddr).AddrPort().Port()}
	if network == "udp6" {
		s.batcher, s.maxPayload = ipv6.NewPacketConn(c), maxPayloadIPv6
	} else {
		s.batcher, s.maxPayload = ipv4.NewPacketConn(c), maxPayloadIPv4
	}
	return s
}

// offload turns on the offloads that the kernel has for UDP.
func (s *socket) offload() error {
	return s.control(func(fd int) error {
		s.segments.Store(canSegment(fd))
		joinReceived(fd)
		return nil
	})
}

// setMark sets the packet mark of sent datagrams.
func (s *socket) setMark(mark uint32) error {
	return s.control(func(fd int) error {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark))
		return os.NewSyscallError("setsockopt SO_MARK", err)
	})
}

func (s *socket) control(fn func(fd int) error) error {
	c, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	return control(c, fn)
}

// Close ends reads and writes with net.ErrClosed.
func (s *socket) Close() error { return s.conn.Close() }

package udp

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// option is a socket option.
type option struct {
	text               string
	level, name, value int
}

// wanted holds the options of each address family.
//
// IPv4 leaves fragmentation to the path, as kernel WireGuard does: it sets no DF bit and takes no path MTU from ICMP
// messages, which anybody can forge and which would end segmentation offload. IPv6 keeps path MTU discovery: its
// routers do not fragment, so the host must know the path's MTU and fragment by itself. With IPV6_PMTUDISC_OMIT a
// narrow path would drop every full-size packet.
var wanted = map[string][]option{
	"udp4": {
		{"IP_PKTINFO", unix.IPPROTO_IP, unix.IP_PKTINFO, 1},
		{"IP_MTU_DISCOVER", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT},
	},
	"udp6": {
		{"IPV6_V6ONLY", unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1},
		{"IPV6_RECVPKTINFO", unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1},
		{"IPV6_MTU_DISCOVER", unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_WANT},
	},
}

// setOptions sets a socket's options before it is bound; it has the type of net.ListenConfig.Control.
func setOptions(network, _ string, c syscall.RawConn) error {
	return control(c, func(fd int) error {
		setBuffers(fd)
		for _, o := range wanted[network] {
			if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
				return fmt.Errorf("set socket option %s: %w", o.text, err)
			}
		}
		return nil
	})
}

// bufferSize is what stock wireguard-go asks for, in bytes: enough to hold a burst.
const bufferSize = 7 << 20

// setBuffers enlarges the socket's buffers as far as it may: beyond net.core.[rw]mem_max that needs CAP_NET_ADMIN in
// the initial user namespace.
func setBuffers(fd int) {
	for _, name := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF, unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE} {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, name, bufferSize)
	}
}

// canSegment reports whether the kernel can cut one long payload into datagrams (UDP_SEGMENT, since Linux 4.18).
func canSegment(fd int) bool {
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	return err == nil
}

// joinReceived has the kernel join datagrams of one sender into one long payload. It does nothing on kernels before
// 5.12, whose UDP_GRO has known faults: they are the ones on which the option cannot be read.
func joinReceived(fd int) {
	if _, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO); err == nil {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	}
}

// control runs fn on the file descriptor behind c.
func control(c syscall.RawConn, fn func(fd int) error) error {
	var err error
	controlErr := c.Control(func(fd uintptr) { err = fn(int(fd)) })
	return errors.Join(controlErr, err)
}

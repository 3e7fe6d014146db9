package traffic

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"

	"golang.org/x/sys/unix"

	"warren.mesh/test/lab/namespace"
)

// Question is what clients may ask an echo server over UDP; it answers any datagram.
const Question = "who am I?"

// echo tells every client its address.
type echo struct {
	tcp net.Listener
	udp *net.UDPConn
}

// serveEcho serves in the network namespace of set until close.
func serveEcho(set *namespace.Set) (*echo, error) {
	e := &echo{}
	if err := set.Do(e.open); err != nil {
		e.close()
		return nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.RemoteAddr)
	})}
	// Both end with their sockets, and have nothing else to say.
	go func() { _ = server.Serve(e.tcp) }()
	go e.answer()
	return e, nil
}

func (e *echo) open() error {
	address := fmt.Sprintf(":%d", EchoPort)
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	e.tcp = tcp
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	e.udp = udp.(*net.UDPConn)
	return control(e.udp, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
}

// answer answers from the address that was asked: a host has several, and the one that the kernel would choose is
// another.
func (e *echo) answer() {
	datagram, oob := make([]byte, 2048), make([]byte, 256)
	for {
		_, n, _, from, err := e.udp.ReadMsgUDPAddrPort(datagram, oob)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// An ICMP error about an earlier answer.
			continue
		}
		_, _, _ = e.udp.WriteMsgUDPAddrPort([]byte(plain(from).String()), asSource(oob[:n]), from)
	}
}

func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// asSource makes a received IPV6_PKTINFO one to send with: the same address, but the interface is the routing's choice.
func asSource(oob []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO {
			return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: [16]byte(m.Data[:16])})
		}
	}
	return nil
}

func (e *echo) close() {
	for _, c := range []io.Closer{e.tcp, e.udp} {
		if c != nil && c != (*net.UDPConn)(nil) {
			_ = c.Close()
		}
	}
}

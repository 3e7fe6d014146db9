package userspace

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

// bind is the device's UDP sockets. It stands in for conn.StdNetBind, which fails a mesh in three ways:
//
//   - With IPv4 and IPv6 peers on one device it sends to wrong addresses: a pooled address is filled before it gets its
//     length back (WireGuard/wireguard-go#135). Here an endpoint carries its own, which nobody changes.
//   - Where the path's MTU is below the interface's, the kernel refuses coalesced datagrams with EMSGSIZE (EINVAL before
//     6.14) for as long as it remembers, and all of the batch is lost, each time. Here they are sent again one by one,
//     and IPv4 does not learn path MTUs at all: see wanted.
//   - With one address family only it forgets the port: it opens IPv6 on a random one, or reports port 0 for IPv4.
//
// Kept from it are batches (sendmmsg, recvmmsg), UDP segmentation offload both ways, and replies from the address that
// the peer sent to. This file, endpoint.go, options.go, socket.go, send.go, receive.go and control.go can go when upstream is mended;
// TestPrivilegedStockBind fails then.
type bind struct {
	// failed is told when a port that was asked for could not be opened.
	failed func()
	listen func(network string, port uint16) (*socket, error)

	mu     sync.RWMutex
	v4, v6 *socket
}

var _ conn.Bind = (*bind)(nil)

func newBind(failed func()) *bind {
	return &bind{failed: failed, listen: listen}
}

// randomTries is how often Open looks for a port that is free in both families when it may choose.
const randomTries = 100

// Open opens one socket per address family that the host has, on the same port. Where a family is missing the other does.
// The error wraps EADDRINUSE where the port is taken.
func (b *bind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.v4 != nil || b.v6 != nil {
		return nil, 0, conn.ErrBindAlreadyOpen
	}
	v4, v6, err := b.listenBoth(port)
	for try := 1; port == 0 && errors.Is(err, unix.EADDRINUSE) && try < randomTries; try++ {
		v4, v6, err = b.listenBoth(port)
	}
	if err != nil {
		if port != 0 {
			b.failed()
		}
		return nil, 0, err
	}
	b.v4, b.v6 = v4, v6
	return b.receivers()
}

// listenBoth opens both families; the second on the port that the first got.
func (b *bind) listenBoth(port uint16) (v4, v6 *socket, err error) {
	v4, err = b.listen("udp4", port)
	if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		return nil, nil, err
	}
	if v4 != nil {
		port = v4.port
	}
	v6, err = b.listen("udp6", port)
	switch {
	case err == nil:
		return v4, v6, nil
	case v4 == nil:
		return nil, nil, err
	case errors.Is(err, unix.EAFNOSUPPORT):
		return v4, nil, nil
	}
	return nil, nil, errors.Join(err, v4.Close())
}

// receivers are one for each socket.
func (b *bind) receivers() (fns []conn.ReceiveFunc, port uint16, err error) {
	if b.v4 != nil {
		fns, port = append(fns, newReceiver(b.v4).receiveIPv4), b.v4.port
	}
	if b.v6 != nil {
		fns, port = append(fns, newReceiver(b.v6).receiveIPv6), b.v6.port
	}
	return fns, port, nil
}

// Close closes the sockets; without any it does nothing. The receive functions then return net.ErrClosed.
func (b *bind) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, s := range []*socket{b.v4, b.v6} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	b.v4, b.v6 = nil, nil
	return errors.Join(errs...)
}

// SetMark sets the packet mark of what is sent. warren sets none; `wg set fwmark` may.
func (b *bind) SetMark(mark uint32) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var errs []error
	for _, s := range []*socket{b.v4, b.v6} {
		if s != nil {
			errs = append(errs, s.setMark(mark))
		}
	}
	return errors.Join(errs...)
}

// Send sends datagrams to one endpoint, in order.
func (b *bind) Send(datagrams [][]byte, to conn.Endpoint) error {
	e, ok := to.(*endpoint)
	if !ok {
		return conn.ErrWrongEndpointType
	}
	s, err := b.socketFor(e.dst.Addr())
	if err != nil {
		return err
	}
	return s.send(datagrams, e)
}

// socketFor picks the socket of an address's family.
func (b *bind) socketFor(addr netip.Addr) (*socket, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s, family := b.v4, "IPv4"
	if addr.Is6() {
		s, family = b.v6, "IPv6"
	}
	switch {
	case s != nil:
		return s, nil
	case b.v4 == nil && b.v6 == nil:
		return nil, fmt.Errorf("no UDP socket is open: %w", net.ErrClosed)
	}
	return nil, fmt.Errorf("no UDP socket for %s: %w", family, unix.EAFNOSUPPORT)
}

// ParseEndpoint reads address and port, as UAPI clients set them.
func (b *bind) ParseEndpoint(text string) (conn.Endpoint, error) {
	dst, err := netip.ParseAddrPort(text)
	if err != nil {
		return nil, err
	}
	return newEndpoint(dst), nil
}

// BatchSize is the number of datagrams that Send takes and the receive functions give at most.
func (b *bind) BatchSize() int { return conn.IdealBatchSize }

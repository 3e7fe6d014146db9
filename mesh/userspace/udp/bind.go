// Package udp owns the UDP sockets of the userspace device. It replaces conn.StdNetBind, which fails a mesh in three
// ways:
//
//   - With IPv4 and IPv6 peers on one device it sends to wrong addresses: it fills a pooled address before it restores
//     the address's length (WireGuard/wireguard-go#135). Here each endpoint has an address of its own, which nobody
//     changes.
//   - Where the path's MTU is below the interface's, the kernel refuses coalesced datagrams with EMSGSIZE (EINVAL
//     before 6.14) for as long as it remembers the path's MTU, and the stock bind loses the whole batch, each time.
//     Here they are sent again one by one, and IPv4 does not learn path MTUs at all: see wanted.
//   - With one address family only it forgets the port: it opens IPv6 on a random one, or reports port 0 for IPv4.
//
// It keeps the stock bind's batches (sendmmsg, recvmmsg), UDP segmentation offload both ways, and replies from the
// address that the peer sent to. It knows nothing of the device, its peers or its packets.
//
// When upstream has mended all three, delete this folder and return conn.NewDefaultBind from newBind in mesh/userspace;
// nothing else depends on it. TestPrivilegedStockBind fails then.
package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

// bind is one socket for each address family.
type bind struct {
	listen func(network string, port uint16) (*socket, error)

	mu     sync.RWMutex
	v4, v6 *socket
}

// New returns a closed bind.
func New() conn.Bind { return newBind() }

var _ conn.Bind = (*bind)(nil)

func newBind() *bind { return &bind{listen: listen} }

// randomTries bounds how often Open looks for a port that is free in both families, when it may choose the port.
const randomTries = 100

// Open opens one socket for each address family that the host has, on the same port; port 0 stands for a random one. A
// host without one of the families gets the other's socket only. The error wraps EADDRINUSE where the port is taken.
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
		return nil, 0, err
	}
	b.v4, b.v6 = v4, v6
	return b.receivers()
}

// listenBoth opens a socket for each family, the second on the port that the first got.
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

// receivers returns a receive function for each socket, and the sockets' port.
func (b *bind) receivers() (fns []conn.ReceiveFunc, port uint16, err error) {
	if b.v4 != nil {
		fns, port = append(fns, newReceiver(b.v4).receiveIPv4), b.v4.port
	}
	if b.v6 != nil {
		fns, port = append(fns, newReceiver(b.v6).receiveIPv6), b.v6.port
	}
	return fns, port, nil
}

// Close closes the sockets, after which the receive functions return net.ErrClosed. It does nothing where none is open.
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

// SetMark sets the packet mark of sent datagrams. warren sets none; `wg set fwmark` may.
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

// Send sends datagrams to one endpoint, in order. The error wraps net.ErrClosed where no socket is open, and
// EAFNOSUPPORT where the endpoint's family has none.
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

// socketFor returns the socket of an address's family.
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

// ParseEndpoint parses address and port as UAPI clients set them: 192.0.2.1:51820 or [2001:db8::1]:51820.
func (b *bind) ParseEndpoint(text string) (conn.Endpoint, error) {
	dst, err := netip.ParseAddrPort(text)
	if err != nil {
		return nil, err
	}
	return newEndpoint(dst), nil
}

// BatchSize returns the largest number of datagrams that Send takes and that a receive function returns.
func (b *bind) BatchSize() int { return conn.IdealBatchSize }

package userspace

import (
	"net"
	"net/netip"

	"golang.zx2c4.com/wireguard/conn"
)

// readMessages is how many messages one recvmmsg takes. Each may hold many datagrams, and each needs a buffer for the
// longest.
const readMessages = 8

// receiver reads from one socket, for one goroutine. It reads into buffers of its own and copies datagrams out of them:
// the device's buffers, 64 KiB each and many, are then only touched as far as one datagram goes, which keeps them out of
// memory.
type receiver struct {
	socket *socket
	msgs   []message
	// unread are those of msgs that were received and not looked at yet.
	unread []message
	// rest is what is left of the message in work, size is that of its datagrams, and from is its sender.
	rest []byte
	size int
	from *endpoint
}

func newReceiver(s *socket) *receiver {
	r := &receiver{socket: s, msgs: make([]message, readMessages)}
	for i := range r.msgs {
		r.msgs[i] = message{Buffers: [][]byte{make([]byte, 1<<16)}, OOB: make([]byte, controlSpace)}
	}
	return r
}

var _, _ conn.ReceiveFunc = (*receiver)(nil).receiveIPv4, (*receiver)(nil).receiveIPv6

func (r *receiver) receiveIPv4(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	return r.receive(bufs, sizes, eps)
}

func (r *receiver) receiveIPv6(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	return r.receive(bufs, sizes, eps)
}

// receive gives datagrams that were read before; only without any does it read, and wait. What does not fit bufs stays
// for the next call.
func (r *receiver) receive(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	if !r.next() {
		if err := r.read(); err != nil {
			return 0, err
		}
	}
	n := 0
	for n < len(bufs) && r.next() {
		sizes[n], eps[n] = copy(bufs[n], r.datagram()), r.from
		n++
	}
	return n, nil
}

// read waits for messages.
func (r *receiver) read() error {
	for i := range r.msgs {
		r.msgs[i].OOB = r.msgs[i].OOB[:cap(r.msgs[i].OOB)]
	}
	n, err := r.socket.ReadBatch(r.msgs, 0)
	if err != nil {
		return err
	}
	r.unread = r.msgs[:n]
	return nil
}

// next reports whether there is a datagram, and turns to the next message where the one in work is used up.
func (r *receiver) next() bool {
	for len(r.rest) == 0 && len(r.unread) > 0 {
		m := &r.unread[0]
		r.unread = r.unread[1:]
		var local netip.Addr
		local, r.size = parseControl(m.OOB[:m.NN])
		r.rest = m.Buffers[0][:m.N]
		r.from = receivedFrom(m.Addr.(*net.UDPAddr), local)
	}
	return len(r.rest) > 0
}

// datagram takes the next datagram off the message in work.
func (r *receiver) datagram() []byte {
	n := len(r.rest)
	if r.size > 0 {
		n = min(n, r.size)
	}
	d := r.rest[:n]
	r.rest = r.rest[n:]
	return d
}

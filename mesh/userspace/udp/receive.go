package udp

import (
	"net"
	"net/netip"

	"golang.zx2c4.com/wireguard/conn"
)

// readMessages is the number of messages that one recvmmsg reads. Each may hold many datagrams, and each needs a buffer
// for the longest payload.
const readMessages = 8

// receiver reads from one socket, for one goroutine. It reads into its own buffers and copies the datagrams: so only
// the first bytes of each of the device's many buffers of 64 KiB are ever written, and the rest takes no memory.
type receiver struct {
	socket *socket
	msgs   []message
	// unread is the part of msgs that was received and not processed yet.
	unread []message
	// rest is what remains of the current message, size is the size of its datagrams, and from is its sender.
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

// receive returns datagrams that were read before. If there are none, it waits until the socket has some. What does not
// fit in bufs stays for the next call.
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

// read waits for messages and reads them.
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

// next reports whether there is a datagram. It takes the next message when the current one is used up.
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

// datagram takes the next datagram from the current message.
func (r *receiver) datagram() []byte {
	n := len(r.rest)
	if r.size > 0 {
		n = min(n, r.size)
	}
	d := r.rest[:n]
	r.rest = r.rest[n:]
	return d
}

// Package limit bounds the number of packets that are inside a wireguard-go device, in each direction. The device
// bounds its queues by batches only and puts each packet into a buffer of 64 KiB, so a fast sender can make it take
// gigabytes. The package wraps the device's two ends, the TUN interface and the UDP sockets, and counts the packets
// between them. Packets that have to wait for others stay in the kernel's queues. Packets that wait in the device for a
// handshake are dropped when there are too many. The package owns neither the ends nor the device.
package limit

import (
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/tun"
)

// Wrap returns an interface and sockets for one device, which then holds a bounded number of packets in each direction,
// w among them.
func Wrap(t tun.Device, b conn.Bind, w *Waiting) (tun.Device, conn.Bind) {
	received, sent := newWindow(), newWindow()
	return boundedTUN{t, received, sent, w}, boundedBind{b, received, sent, w}
}

// boundedTUN is the end where packets to send enter the device and received packets leave it.
type boundedTUN struct {
	tun.Device
	received, sent *window
	waiting        *Waiting
}

func (t boundedTUN) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	t.waiting.settle()
	t.sent.wait()
	n, err := t.Device.Read(bufs, sizes, offset)
	if n > 0 { // All of them are segments of one packet, and so for one peer.
		t.sent.enter(n, bufs[n-1])
		t.waiting.enter(n, bufs[n-1][offset:offset+sizes[n-1]], bufs[n-1])
	}
	return n, err
}

func (t boundedTUN) Write(bufs [][]byte, offset int) (int, error) {
	// First, because the interface joins packets, which overwrites what follows them in their buffers.
	t.received.leave(bufs[len(bufs)-1])
	return t.Device.Write(bufs, offset)
}

// boundedBind is the end where received packets enter the device and packets to send leave it.
type boundedBind struct {
	conn.Bind
	received, sent *window
	waiting        *Waiting
}

func (b boundedBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	fns, actual, err := b.Bind.Open(port)
	for i, fn := range fns {
		fns[i] = b.bounded(fn)
	}
	return fns, actual, err
}

// bounded returns a receive function that waits until there is room.
func (b boundedBind) bounded(receive conn.ReceiveFunc) conn.ReceiveFunc {
	return func(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
		b.received.wait()
		n, err := receive(bufs, sizes, eps)
		entered := 0
		for i := range n {
			if i == n-1 || eps[i] != eps[i+1] { // The last of one sender: the device has a queue for each peer.
				b.received.enter(i+1-entered, bufs[i])
				entered = i + 1
			}
		}
		return n, err
	}
}

func (b boundedBind) Send(datagrams [][]byte, to conn.Endpoint) error {
	b.sent.sends.Add(1)
	err := b.Bind.Send(datagrams, to)
	b.sent.sends.Add(-1)
	b.sent.leave(datagrams[len(datagrams)-1])
	b.waiting.leave(datagrams[len(datagrams)-1])
	return err
}

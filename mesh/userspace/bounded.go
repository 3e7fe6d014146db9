package userspace

import (
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
)

// newDevice makes a device that holds a bounded number of packets each way.
func newDevice(t tun.Device, b conn.Bind, log *device.Logger) *device.Device {
	received, sent := newWindow(), newWindow()
	return device.NewDevice(boundedTUN{t, received, sent}, boundedBind{b, received, sent}, log)
}

// boundedTUN is where packets to send go in, and received ones come out.
type boundedTUN struct {
	tun.Device
	received, sent *window
}

func (t boundedTUN) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	t.sent.wait()
	n, err := t.Device.Read(bufs, sizes, offset)
	if n > 0 { // All of one frame, and so of one peer.
		t.sent.enter(n, bufs[n-1])
	}
	return n, err
}

func (t boundedTUN) Write(bufs [][]byte, offset int) (int, error) {
	// Before the interface joins packets, which goes beyond their ends.
	t.received.leave(bufs[len(bufs)-1])
	return t.Device.Write(bufs, offset)
}

// boundedBind is where received packets go in, and those to send come out.
type boundedBind struct {
	conn.Bind
	received, sent *window
}

func (b boundedBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	fns, actual, err := b.Bind.Open(port)
	for i, fn := range fns {
		fns[i] = b.bounded(fn)
	}
	return fns, actual, err
}

func (b boundedBind) bounded(receive conn.ReceiveFunc) conn.ReceiveFunc {
	return func(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
		b.received.wait()
		n, err := receive(bufs, sizes, eps)
		entered := 0
		for i := range n {
			if i == n-1 || eps[i] != eps[i+1] { // The last of one sender, since they part here.
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
	return err
}

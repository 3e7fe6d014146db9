package userspace

import (
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"warren.mesh/mesh/userspace/limit"
	"warren.mesh/mesh/userspace/udp"
)

// newDevice makes a device that holds a bounded number of packets. It calls failed when it cannot open the UDP port
// that it is configured with.
func newDevice(t tun.Device, failed func(), log *device.Logger) *device.Device {
	t, b := limit.Wrap(t, portBind{newBind(), failed})
	return device.NewDevice(t, b, log)
}

// newBind returns the device's UDP sockets, closed. This is the only use of package udp.
func newBind() conn.Bind { return udp.New() }

// portBind calls failed when it cannot open a certain port. The device goes down then, and tells only the client that
// set the port.
type portBind struct {
	conn.Bind
	failed func()
}

// Open opens the sockets. Port 0 stands for a random one.
func (b portBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	fns, actual, err := b.Bind.Open(port)
	if err != nil && port != 0 {
		b.failed()
	}
	return fns, actual, err
}

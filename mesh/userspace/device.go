package userspace

import (
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"warren.mesh/mesh/userspace/limit"
	"warren.mesh/mesh/userspace/udp"
)

// newDevice makes a device, which holds a bounded number of packets. It calls failed when it cannot open a port that a client
// asked for.
func newDevice(t tun.Device, failed func(), log *device.Logger) *device.Device {
	t, b := limit.Wrap(t, portBind{newBind(), failed})
	return device.NewDevice(t, b, log)
}

// newBind returns the device's UDP sockets.
func newBind() conn.Bind { return udp.New() }

// portBind reports failures to open a certain port: the device goes down with its port, and tells nobody but the client.
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

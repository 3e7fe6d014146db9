package userspace

import (
	"bytes"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"warren.mesh/mesh/userspace/limit"
	"warren.mesh/mesh/userspace/udp"
)

// boundedDevice is a device that holds a bounded number of packets.
type boundedDevice struct {
	*device.Device
	waiting *limit.Waiting
}

// newDevice makes a device. It calls failed when it cannot open the UDP port that it is configured with.
func newDevice(t tun.Device, failed func(), log *device.Logger) boundedDevice {
	w := limit.NewWaiting()
	t, b := limit.Wrap(t, portBind{newBind(), failed}, w)
	d := boundedDevice{device.NewDevice(t, b, log), w}
	w.Flush(func(key device.NoisePublicKey) {
		if peer := d.LookupPeer(key); peer != nil {
			peer.FlushStagedPackets()
		}
	})
	return d
}

// configure sets what UAPI's settings say.
func (d boundedDevice) configure(settings []byte) error {
	err := d.IpcSetOperation(bytes.NewReader(settings))
	collectGarbage(d.waiting.Configure(settings)) // Also after an error, which leaves what stands before it in force.
	return err
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

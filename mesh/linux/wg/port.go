package wg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// ErrPortTaken means that another process listens on WireGuard's UDP port.
var ErrPortTaken = errors.New("UDP port is taken")

// CheckPort returns an error that wraps ErrPortTaken where something other than the device listens on the UDP port;
// zero checks nothing. The device would fail later, and in userspace with no more than a number. A device that hangs
// may be what has the port.
func (d Device) CheckPort(port uint16) error {
	if port == 0 {
		return nil
	}
	seen, err := d.Client.device(d.Name)
	switch {
	case errors.Is(err, ErrHung):
		return nil
	case err != nil && !silent(err):
		return d.unreadable(err)
	case err == nil && seen.ListenPort == int(port), !bound(port):
		return nil
	}
	return fmt.Errorf("%w: %d: stop what uses it (ss -lunp 'sport = :%d'), or choose another with --port on every node",
		ErrPortTaken, port, port)
}

// bound reports whether somebody listens on the UDP port.
func bound(port uint16) bool {
	for _, network := range []string{"udp4", "udp6"} {
		conn, err := net.ListenUDP(network, &net.UDPAddr{Port: int(port)})
		if err == nil {
			_ = conn.Close()
		}
		if errors.Is(err, unix.EADDRINUSE) {
			return true
		}
	}
	return false
}

// How long the process of a userspace device may take to close its sockets after its interface was deleted, which it
// does within milliseconds, and how often AwaitPort looks.
const (
	portPatience = 2 * time.Second
	portInterval = 5 * time.Millisecond
)

// AwaitPort waits until nobody listens on the UDP port; zero waits for nothing. It gives up after portPatience: setting
// up the device then says that somebody still listens.
func AwaitPort(ctx context.Context, port uint16) {
	ctx, cancel := context.WithTimeout(ctx, portPatience)
	defer cancel()
	tick := time.NewTicker(portInterval)
	defer tick.Stop()
	for port != 0 && bound(port) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

package linux

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// bound reports whether somebody listens on the UDP port.
func bound(port int) bool {
	for _, network := range []string{"udp4", "udp6"} {
		conn, err := net.ListenUDP(network, &net.UDPAddr{Port: port})
		if err == nil {
			_ = conn.Close()
		}
		if errors.Is(err, unix.EADDRINUSE) {
			return true
		}
	}
	return false
}

// How long the process of a userspace device may take to close its sockets after its interface was deleted, which it does
// within milliseconds, and how often awaitPort looks.
const (
	portPatience = 2 * time.Second
	portInterval = 5 * time.Millisecond
)

// awaitPort waits until nobody listens on the port; zero waits for nothing. It gives up after portPatience: setting up the
// device then reports who still listens.
func awaitPort(ctx context.Context, port uint16) {
	ctx, cancel := context.WithTimeout(ctx, portPatience)
	defer cancel()
	tick := time.NewTicker(portInterval)
	defer tick.Stop()
	for port != 0 && bound(int(port)) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

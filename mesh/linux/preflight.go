package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// privileged wraps ErrNotPrivileged unless this process may configure the network.
func privileged() error {
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read the process's capabilities: %w", err)
	}
	if data[0].Effective&(1<<unix.CAP_NET_ADMIN) == 0 {
		return fmt.Errorf("%w: CAP_NET_ADMIN is missing: run as root, or with that capability", ErrNotPrivileged)
	}
	return nil
}

// portFree wraps ErrPortTaken where something other than the device listens on the port. The device would fail later,
// and in userspace with no more than a number.
func (h *Host) portFree() error {
	port := int(h.cfg.Port)
	if port == 0 {
		return nil
	}
	if device, err := h.readDevice(); err != nil || device != nil && device.ListenPort == port {
		return err
	}
	if !bound(port) {
		return nil
	}
	return fmt.Errorf("%w: %d: stop what uses it (ss -lunp 'sport = :%d'), or choose another with --port on every node",
		ErrPortTaken, port, port)
}

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
// within milliseconds, and how often that is looked at.
const (
	portPatience = 2 * time.Second
	portInterval = 5 * time.Millisecond
)

// awaitPort waits until nobody listens on the port. Who goes on listening is told of when the device is to.
func (h *Host) awaitPort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, portPatience)
	defer cancel()
	tick := time.NewTicker(portInterval)
	defer tick.Stop()
	for h.cfg.Port != 0 && bound(int(h.cfg.Port)) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

package linux

import (
	"errors"
	"fmt"
	"net"

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
	for _, network := range []string{"udp4", "udp6"} {
		conn, err := net.ListenUDP(network, &net.UDPAddr{Port: port})
		switch {
		case err == nil:
			_ = conn.Close()
		case errors.Is(err, unix.EADDRINUSE):
			return fmt.Errorf("%w: %d: stop what uses it (ss -lunp 'sport = :%d'), or choose another with --port on every node",
				ErrPortTaken, port, port)
		}
	}
	return nil
}

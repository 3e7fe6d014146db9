package lab

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren.mesh/test/lab/packet"
)

// Inject puts frames on the node's cable as anybody on the underlay may: addressed to the node by its hardware address,
// with whatever addresses inside. Captures of the underlay, which see what nodes send, do not see them.
func (l *Lab) Inject(t TB, n *Node, frames ...packet.Frame) {
	t.Helper()
	var mac net.HardwareAddr
	err := n.Do(func() error {
		link, err := netlink.LinkByName(nicName)
		if err == nil {
			mac = link.Attrs().HardwareAddr
		}
		return err
	})
	if err == nil {
		err = l.control.Set.Do(func() error { return transmit(n.Name, mac, frames) })
	}
	if err != nil {
		t.Fatalf("inject packets to %s: %v", n.Name, err)
	}
}

// transmit sends the frames out of a port of the underlay's bridge.
func transmit(port string, mac net.HardwareAddr, frames []packet.Frame) (err error) {
	nic, err := net.InterfaceByName(port)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a packet socket: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	for _, f := range frames {
		f.NextHop = mac
		if err := unix.Sendto(fd, f.Bytes(), 0, &unix.SockaddrLinklayer{Ifindex: nic.Index}); err != nil {
			return err
		}
	}
	return nil
}

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Advertise sends one router advertisement to all nodes: their router is a default router for this long, in whole
// seconds; zero says that it is none any more. Nodes do not go by it unless a test sets accept_ra.
func (l *Lab) Advertise(t TB, lifetime time.Duration) {
	t.Helper()
	if err := l.control.Set.Do(func() error { return advertise(bridgeName, lifetime) }); err != nil {
		t.Fatalf("send a router advertisement: %v", err)
	}
}

// Of RFC 4861: 4.2, 4.6.1 and 6.1.2.
const (
	routerAdvertisement    = 134
	sourceLinkLayerAddress = 1
	neverForwarded         = 255
)

// advertise sends the advertisement out of the interface. The kernel adds the checksum.
func advertise(name string, lifetime time.Duration) (err error) {
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return fmt.Errorf("open a raw socket: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, neverForwarded); err != nil {
		return err
	}
	header := make([]byte, 16)
	header[0], header[4] = routerAdvertisement, 64
	binary.BigEndian.PutUint16(header[6:], uint16(lifetime/time.Second))
	option := []byte{sourceLinkLayerAddress, 1} // in units of 8 bytes
	everybody := unix.SockaddrInet6{Addr: netip.IPv6LinkLocalAllNodes().As16(), ZoneId: uint32(nic.Index)}
	return unix.Sendto(fd, slices.Concat(header, option, nic.HardwareAddr), 0, &everybody)
}

package linux

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

const hour = 3600

// A host keeps the default route that router advertisements give it, and takes the next ones; once warren is removed,
// it goes by them as before.
func TestPrivilegedRouterAdvertisements(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	run(t, "sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.under0.accept_ra=1")
	m.advertise(hour)
	m.awaitDefaultRoute(true)

	m.is("1", "0")
	m.converge()
	m.is("2", "1")
	m.renew()

	// Somebody sets it back. Then a network manager takes over.
	pokes := m.watch()
	run(t, "sysctl -qw net.ipv6.conf.under0.accept_ra=1")
	<-pokes
	m.converge()
	m.is("2", "1")
	run(t, "sysctl -qw net.ipv6.conf.under0.accept_ra=0")
	<-pokes
	m.converge()
	m.is("0", "1")
	run(t, "sysctl -qw net.ipv6.conf.under0.accept_ra=1")
	<-pokes
	m.converge()
	m.is("2", "1")

	if err := Remove(t.Context(), m.cfg); err != nil {
		t.Fatal(err)
	}
	m.is("1", "0")
	m.renew()
}

// converge makes the machine look like a node of a mesh.
func (m *machine) converge() {
	m.Helper()
	if err := m.Apply(m.Context(), mesh.Diff(m.small(), m.observe())); err != nil {
		m.Fatal(err)
	}
}

// is fails the test unless accept_ra and forwarding have these values, and the default route is there.
func (m *machine) is(acceptRA, forwarding string) {
	m.Helper()
	got := strings.Fields(run(m.T, "sysctl -n net.ipv6.conf.under0.accept_ra net.ipv6.conf.all.forwarding"))
	if want := []string{acceptRA, forwarding}; !slices.Equal(got, want) {
		m.Errorf("accept_ra and forwarding are %q, want %q", got, want)
	}
	if !m.hasDefaultRoute() {
		m.Errorf("no advertised default route in:\n%s", m.shows("-6 route"))
	}
}

// renew has the router say that it is none any more, and then that it is one again.
func (m *machine) renew() {
	m.Helper()
	m.advertise(0)
	m.awaitDefaultRoute(false)
	m.advertise(hour)
	m.awaitDefaultRoute(true)
}

func (m *machine) hasDefaultRoute() bool {
	m.Helper()
	return strings.Contains(m.shows("-6 route show default"), "proto ra ")
}

// awaitDefaultRoute waits for as long as the test may run.
func (m *machine) awaitDefaultRoute(want bool) {
	m.Helper()
	for m.hasDefaultRoute() != want {
		if m.Context().Err() != nil {
			m.Fatal(m.Context().Err())
		}
	}
}

// advertise has a router at the other end of the underlay's cable say for how many seconds it is a default router (RFC
// 4861, 4.2).
func (m *machine) advertise(lifetime uint16) {
	m.Helper()
	nic, err := net.InterfaceByName("under1")
	if err != nil {
		m.Fatal(err)
	}
	router, everybody := netip.MustParseAddr("fe80::ff"), netip.IPv6LinkLocalAllNodes()
	header := make([]byte, 16)
	header[0], header[4] = 134, 64 // a router advertisement
	binary.BigEndian.PutUint16(header[6:], lifetime)
	body := slices.Concat(header, []byte{1, 1, 2, 0, 0, 0, 0, 0xff}) // with the router's hardware address
	pseudo := slices.Concat(router.AsSlice(), everybody.AsSlice(), []byte{0, 0, 0, byte(len(body)), 0, 0, 0, 58})
	binary.BigEndian.PutUint16(body[2:], checksum(append(pseudo, body...)))
	ip := []byte{6 << 4, 0, 0, 0, 0, byte(len(body)), 58, 255}
	ethernet := []byte{0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xff, 0x86, 0xdd}
	frame := slices.Concat(ethernet, ip, router.AsSlice(), everybody.AsSlice(), body)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		m.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: nic.Index}); err != nil {
		m.Fatal(err)
	}
}

// checksum is RFC 1071's, of an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for pair := range slices.Chunk(b, 2) {
		sum += uint32(pair[0])<<8 | uint32(pair[1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

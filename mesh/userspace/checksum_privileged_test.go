package userspace

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestPrivilegedZeroChecksum sends a datagram over IPv6 whose checksum is zero when it is computed, which the kernel
// leaves to the device.
func TestPrivilegedZeroChecksum(t *testing.T) {
	a, b := newNode(t), newNode(t)
	connect(t, a, "eth0", "192.0.2.1/24", b, "eth0", "192.0.2.2/24")
	for n, inner := range map[*node]string{a: "fd00::1/64", b: "fd00::2/64"} {
		n.start(t)
		n.address(t, n.iface, inner)
	}
	a.setUp(t, b.peer("192.0.2.2", "fd00::2"))
	b.setUp(t, a.peer("192.0.2.1", "fd00::1"))
	from, to := a.listenUDP(t, "[fd00::1]:5000"), b.listenUDP(t, "[fd00::2]:5000")
	target := to.LocalAddr().(*net.UDPAddr).AddrPort()
	source := from.LocalAddr().(*net.UDPAddr).AddrPort()
	for what, payload := range map[string][]byte{"any": {1, 2}, "zero": zeroSum(source, target)} {
		if _, err := from.WriteToUDPAddrPort(payload, target); err != nil {
			t.Fatal(err)
		}
		if err := to.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 10)
		if n, _, err := to.ReadFromUDPAddrPort(got); err != nil || string(got[:n]) != string(payload) {
			t.Errorf("checksum %s: got % x, %v; want % x", what, got[:n], err, payload)
		}
	}
}

// listenUDP opens a socket in the node's namespace.
func (n *node) listenUDP(t *testing.T, addr string) (conn *net.UDPConn) {
	t.Helper()
	err := n.net.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// zeroSum is a payload of two bytes with which the checksum of a datagram is zero: the sum of all its words, those of
// the pseudo-header too (RFC 8200, section 8.1), is 0xffff.
func zeroSum(from, to netip.AddrPort) []byte {
	const protocol, length = 17, 10
	sum := uint32(from.Port()) + uint32(to.Port()) + protocol + 2*length
	for _, addr := range []netip.Addr{from.Addr(), to.Addr()} {
		words := addr.As16()
		for i := 0; i < len(words); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(words[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return binary.BigEndian.AppendUint16(nil, ^uint16(sum))
}

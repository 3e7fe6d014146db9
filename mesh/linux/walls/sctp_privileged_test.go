package walls

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/policy"
)

// initiate is an SCTP packet that opens an association (RFC 9260, 3.3.2), with its checksum.
func initiate(from, to uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = append(b, make([]byte, 8)...) // no verification tag yet; the checksum
	b = append(b, 1, 0, 0, 20, 0, 0, 0, 1, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1)
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// sctpNode is a node on which b takes SCTP from a at some ports, and c takes none.
func sctpNode(t *testing.T) (*node, map[uint16]bool) {
	t.Helper()
	n := policyNode(t, false)
	for i, p := range n.in.Pods {
		if p.Name == "b" {
			n.in.Pods[i].Ports = []policy.NamedPort{
				{Name: "diameter", Protocol: policy.SCTP, Number: 3870},
				{Name: "diameter", Protocol: policy.TCP, Number: 3871},
			}
		}
	}
	a := selects("a")
	n.in.Policies = []policy.Policy{
		{
			Namespace: "x", Name: "b", Pods: selects("db"), IsolatesIngress: true,
			Ingress: []policy.Rule{{Peers: []policy.Peer{{Pods: &a}}, Ports: []policy.Port{
				{Protocol: policy.SCTP, Number: 3868}, {Protocol: policy.SCTP, Name: "diameter"},
				{Protocol: policy.SCTP, Number: 4000, End: 4010}, {Protocol: policy.TCP, Number: 3869},
			}}},
		},
		{Namespace: "y", Name: "c", Pods: selects("c"), IsolatesIngress: true},
	}
	n.sync()
	return n, map[uint16]bool{
		3868: true, 3869: false, 3870: true, 3871: false, 3999: false, 4000: true, 4005: true, 4010: true, 4011: false,
	}
}

// TestPrivilegedSCTP sends the first packet of associations, which a kernel without SCTP tracks as well: by number,
// name and range of ports those come that policies let through.
func TestPrivilegedSCTP(t *testing.T) {
	n, ports := sctpNode(t)
	from := n.wire("a", "eth0")
	for _, to := range []pod{podB, podC} {
		receiver := n.wire(to.name, "eth0")
		for family, addresses := range [][2]netip.Addr{{podA.v4(), to.v4()}, {podA.v6(), to.v6()}} {
			kind, packet := uint16(0x0800), ipv4
			if family == 1 {
				kind, packet = 0x86dd, ipv6
			}
			var sent []uint16
			for port := range ports {
				from.send(ether(to.mac(), podA.mac(), kind,
					packet(unix.IPPROTO_SCTP, addresses[0], addresses[1], initiate(50000+port, port)...)...))
				sent = append(sent, port)
			}
			// Address resolution passes whatever the policies are.
			sentinel := arp(broadcast, podA.mac(), 1, podA.mac(), podA.v4(), addr("10.244.1.77"))
			from.send(sentinel)
			var came []uint16
			for _, f := range receiver.until(func(f []byte) bool { return slices.Equal(f[:len(sentinel)], sentinel) }) {
				header := len(f) - 32
				if header > 0 && binary.BigEndian.Uint16(f[12:]) == kind && (f[23] == 132 || f[20] == 132) {
					if kind == 0x0800 {
						header = 34
					} else {
						header = 54
					}
					came = append(came, binary.BigEndian.Uint16(f[header+2:]))
				}
			}
			for _, port := range sent {
				if want := ports[port] && to == podB; slices.Contains(came, port) != want {
					t.Errorf("to %v, port %d: came %t, want %t", addresses[1], port, !want, want)
				}
			}
		}
	}
}

// TestPrivilegedSCTPSockets has real sockets where the kernel has SCTP; others have only the first packets, above. With
// WARREN_SCTP, which test/vm sets, a kernel without it is a failure.
func TestPrivilegedSCTPSockets(t *testing.T) {
	n, ports := sctpNode(t)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP)
	if errors.Is(err, unix.EPROTONOSUPPORT) && os.Getenv("WARREN_SCTP") == "" {
		t.Log("this kernel has no SCTP sockets: nothing was tried")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(fd)
	for port, allowed := range ports {
		for _, to := range of(podB) {
			want := silent
			if allowed {
				want = answered
			}
			n.serveSCTP("b", to, port)
			if got := n.askSCTP("a", to, port, want); got != want {
				t.Errorf("to %v, port %d: %s, want %s", to, port, got, want)
			}
		}
	}
}

func sockaddr(ip netip.Addr, port uint16) (int, unix.Sockaddr) {
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(port), Addr: ip.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(port), Addr: ip.As16()}
}

// serveSCTP answers one association.
func (n *node) serveSCTP(where string, ip netip.Addr, port uint16) {
	n.t.Helper()
	family, at := sockaddr(ip, port)
	err := n.ns[where].Do(func() error {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
		if err != nil {
			return err
		}
		n.t.Cleanup(func() { _ = unix.Shutdown(fd, unix.SHUT_RDWR) })
		if err := unix.Bind(fd, at); err != nil {
			return fmt.Errorf("bind: %w", err)
		}
		if err := unix.Listen(fd, 1); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		go func() {
			defer func() { _ = unix.Close(fd) }()
			c, _, err := unix.Accept(fd)
			if err != nil {
				return
			}
			defer func() { _ = unix.Close(c) }()
			buffer := make([]byte, 10)
			if size, err := unix.Read(c, buffer); err == nil {
				_, _ = unix.Write(c, buffer[:size])
				_, _ = unix.Read(c, buffer) // until the client closes
			}
		}()
		return nil
	})
	if err != nil {
		n.t.Fatalf("serve SCTP at %v, port %d: %v", ip, port, err)
	}
}

// askSCTP opens an association and says something.
func (n *node) askSCTP(from string, ip netip.Addr, port uint16, want string) (got string) {
	n.t.Helper()
	family, to := sockaddr(ip, port)
	err := n.ns[from].Do(func() error {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		wait := unix.NsecToTimeval(int64(patience(want)))
		for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
			if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &wait); err != nil {
				return err
			}
		}
		got = silent
		if unix.Connect(fd, to) != nil {
			return nil // it is the outcome
		}
		if _, err := unix.Write(fd, []byte("x")); err != nil {
			return err
		}
		if _, err := unix.Read(fd, make([]byte, 10)); err == nil {
			got = answered
		}
		return nil
	})
	if err != nil {
		n.t.Fatalf("ask SCTP at %v, port %d: %v", ip, port, err)
	}
	return got
}
